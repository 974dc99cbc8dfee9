package config

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/git-bst/git-bst/internal/fsx"
	"github.com/git-bst/git-bst/internal/hint"
)

// A Seal is the user's secret with which consents are sealed. A git directory may come from
// somebody else, unpacked from an archive with a consent in it: that one does not have the seal
// of this user, and counts for nothing.
type Seal struct{ secret []byte }

const secretBytes = 32

// SealFile is where the user's secret is kept: beside the user's own settings, for environ is the
// user's environment. It is "" where the user has no home.
func SealFile(environ []string) string {
	dir := userDir(environ)
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "consent-key")
}

// ReadSeal reads the secret. Where there is none the error is fs.ErrNotExist: nothing was ever
// agreed to. A file of another user's, or one that others may read, is fsx.ErrForeign.
func ReadSeal(file string) (Seal, error) {
	if file == "" {
		return Seal{}, fs.ErrNotExist
	}
	data, err := fsx.ReadOwn(file)
	if err != nil {
		return Seal{}, fmt.Errorf("read the key of consents: %w", err)
	}
	secret, err := hex.DecodeString(string(trimLine(data)))
	if err != nil || len(secret) != secretBytes {
		err := fmt.Errorf("read the key of consents in %s: expected %d hex digits", file, 2*secretBytes)
		return Seal{}, hint.Add(err, "to start anew, which takes back all consent: rm "+file)
	}
	return Seal{secret}, nil
}

func trimLine(data []byte) []byte {
	if n := len(data); n > 0 && data[n-1] == '\n' {
		return data[:n-1]
	}
	return data
}

// MakeSeal is ReadSeal that makes the secret when there is none, from random.
func MakeSeal(file string, random io.Reader) (Seal, error) {
	seal, err := ReadSeal(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return seal, err
	}
	if file == "" {
		return Seal{}, hint.Add(errors.New("there is no folder for the key of consents"), "set HOME or XDG_CONFIG_HOME")
	}
	secret := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, secret); err != nil {
		return Seal{}, fmt.Errorf("make the key of consents: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return Seal{}, fmt.Errorf("make the key of consents: %w", err)
	}
	if err := fsx.WriteFile(file, []byte(hex.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return Seal{}, fmt.Errorf("make the key of consents: %w", err)
	}
	return ReadSeal(file) // another process may have been first
}

// of is the seal on one request.
func (s Seal) of(r Request) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(r.ID()))
	return hex.EncodeToString(mac.Sum(nil))
}

// On returns the seal on a text that is no request; "" without a secret.
func (s Seal) On(text string) string {
	if len(s.secret) != secretBytes {
		return ""
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte("text\x00" + text))
	return hex.EncodeToString(mac.Sum(nil))
}

// holds reports whether a consent was given with this secret.
func (s Seal) holds(g GivenForOne) bool {
	want := s.of(Request{Lines: g.Request})
	return len(s.secret) == secretBytes && g.ID == (Request{Lines: g.Request}).ID() && hmac.Equal([]byte(want), []byte(g.Seal))
}

// Own returns the consents that were given with this secret: by this user.
func (c Consents) Own(s Seal) Consents {
	c.Given = slices.DeleteFunc(slices.Clone(c.Given), func(g GivenForOne) bool { return !s.holds(g) })
	return c
}
