package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// Request is what a repository asks for that only its user can allow (rule 38). Two requests are
// the same when their lines are: consent is given to the content.
type Request struct {
	Lines []string // such as `build.host-paths = /opt/sdk`; sorted
}

// ID names a request by its content.
func (r Request) ID() string {
	sum := sha256.Sum256([]byte("git-bst request 1\n" + strings.Join(r.Lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// requestOf returns what needs consent, and refuses what no repository may ask for.
func requestOf(entries []entry) (Request, error) {
	var request Request
	for _, e := range entries {
		setting, _ := lookUp(e.key)
		switch {
		case setting.Consent == NoNone && e.value.text == "none":
			err := invalid(e.place, "%s: a repository may not switch it off", e.key)
			return Request{}, hint.Addf(err, "to do it for this clone: git config bst.%s none", e.key)
		case setting.Consent == Asked:
			request.Lines = append(request.Lines, e.key+" = "+e.value.String())
		}
	}
	slices.Sort(request.Lines)
	return request, nil
}

// Consents is what the user has agreed to in one repository: the file bst/trust.json in its
// common git directory. It does not lie in the cache, which may be deleted (rule 30).
type Consents struct {
	Version int           `json:"version"`
	Given   []GivenForOne `json:"given"`
}

// GivenForOne is the consent to one request.
type GivenForOne struct {
	ID      string    `json:"id"`
	Request []string  `json:"request"`
	Time    time.Time `json:"time"`
	Seal    string    `json:"seal"` // see Seal: that it is this user's
}

const consentsVersion = 1

// ReadConsents reads the file. One that does not exist is no consent at all. Only this user's own
// file in this user's own folder says what this user agreed to: else the error is fsx.ErrForeign.
// What of it counts says Own.
func ReadConsents(file string) (Consents, error) {
	err := fsx.CheckOwnDir(filepath.Dir(file))
	var data []byte
	if err == nil {
		data, err = fsx.ReadOwn(file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Consents{Version: consentsVersion}, nil
	}
	if err != nil {
		return Consents{}, hint.Addf(fmt.Errorf("read consents: %w", err), "look at it, then remove it: ls -ld %s %s", filepath.Dir(file), file)
	}
	var c Consents
	if err := json.Unmarshal(data, &c); err != nil {
		err = fmt.Errorf("read consents in %s: %w", file, err)
		return Consents{}, hint.Add(err, "to start anew: git bst trust --withdraw")
	}
	if c.Version > consentsVersion {
		return Consents{}, fmt.Errorf("read consents in %s: version %d is newer than this program", file, c.Version)
	}
	return c, nil
}

// Encode returns the file's content.
func (c Consents) Encode() ([]byte, error) {
	c.Version = consentsVersion
	if c.Given == nil {
		c.Given = []GivenForOne{}
	}
	data, err := json.MarshalIndent(c, "", "  ")
	return append(data, '\n'), err
}

// Include reports whether the user has agreed to this request.
func (c Consents) Include(r Request) bool {
	return slices.ContainsFunc(c.Given, func(g GivenForOne) bool { return g.ID == r.ID() })
}

// With returns the consents with this one added, sealed.
func (c Consents) With(r Request, s Seal, now time.Time) Consents {
	given := slices.DeleteFunc(slices.Clone(c.Given), func(g GivenForOne) bool { return g.ID == r.ID() })
	c.Given = append(given, GivenForOne{ID: r.ID(), Request: r.Lines, Time: now.UTC().Truncate(time.Second), Seal: s.of(r)})
	return c
}
