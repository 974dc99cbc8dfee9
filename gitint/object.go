package gitint

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/pjbgf/sha1cd"

	"github.com/git-bst/git-bst/internal/digest"
)

// reader gives the bytes of objects. There are two: go-git in this process and git itself.
type reader interface {
	// each calls visit once for every object, in the order of oids, with its type and size and
	// its bytes, of which visit may read as many as it likes. An object that is not there is
	// ErrMissingObject. The first error of visit ends it. The bytes are not verified.
	each(ctx context.Context, oids []string, visit visitor) error
	Close() error
}

type visitor func(i int, kind string, size int64, body io.Reader) error

// maxObjectInMemory bounds trees, links and .gitattributes, which are read whole.
const maxObjectInMemory = 256 << 20

var (
	errCollision = errors.New("internal error: SHA-1 collision attack found")
	errMismatch  = errors.New("its content does not match its name")
)

// objectHash computes a git object id and the digest of the object's bytes at once, so that a
// pair of the two proves itself (rule 40). SHA-1 is the kind that detects collision attacks.
type objectHash struct {
	git     hash.Hash
	content *digest.Hasher
}

// newObjectHash starts on an object of this type and size in bytes. oidLen is the length of
// object ids in hex.
func newObjectHash(kind string, size int64, oidLen int) *objectHash {
	h := &objectHash{git: sha256.New(), content: digest.NewHasher()}
	if oidLen == 2*sha1.Size {
		h.git = sha1cd.New()
	}
	io.WriteString(h.git, kind+" "+strconv.FormatInt(size, 10)+"\x00")
	return h
}

// Write implements io.Writer; it never fails.
func (h *objectHash) Write(p []byte) (int, error) {
	h.git.Write(p)
	return h.content.Write(p)
}

// matches reports whether the bytes written are those of oid, and made in good faith.
func (h *objectHash) matches(oid string) error {
	var sum []byte
	if detecting, ok := h.git.(sha1cd.CollisionResistantHash); ok {
		var collision bool
		if sum, collision = detecting.CollisionResistantSum(nil); collision {
			return errCollision
		}
	} else {
		sum = h.git.Sum(nil)
	}
	if hex.EncodeToString(sum) != oid {
		return errMismatch
	}
	return nil
}

// readWhole reads an object's bytes and verifies them against its name.
func readWhole(oid, kind string, size int64, body io.Reader) ([]byte, error) {
	if size > maxObjectInMemory {
		return nil, fmt.Errorf("read object %s: %d bytes are too many for a %s", oid, size, kind)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, fmt.Errorf("read object %s: %w", oid, err)
	}
	sum := newObjectHash(kind, size, len(oid))
	sum.Write(data)
	if err := sum.matches(oid); err != nil {
		return nil, fmt.Errorf("read object %s: %w", oid, err)
	}
	return data, nil
}

// readOne reads one object of the given type whole.
func readOne(ctx context.Context, objects reader, oid, want string) (data []byte, err error) {
	err = objects.each(ctx, []string{oid}, func(_ int, kind string, size int64, body io.Reader) error {
		if kind != want {
			return fmt.Errorf("read object %s: it is a %s, not a %s", oid, kind, want)
		}
		data, err = readWhole(oid, kind, size, body)
		return err
	})
	return data, err
}

// Modes of tree entries as git writes them.
const (
	modeTree       = "40000"
	modeSymlink    = "120000"
	modeGitlink    = "160000"
	modeExecutable = "100755"
)

// entry is one line of a git tree.
type entry struct {
	mode, name, oid string
}

// executable reports the only permission that git keeps; old trees may have 100775.
func (e entry) executable() bool { return len(e.mode) == 6 && (e.mode[3]-'0')&1 == 1 }

// regular reports whether the entry is a file.
func (e entry) regular() bool {
	return e.mode != modeTree && e.mode != modeSymlink && e.mode != modeGitlink
}

// parseTree reads a tree object.
func parseTree(data []byte, oidBytes int) ([]entry, error) {
	var entries []entry
	for len(data) > 0 {
		mode, rest, ok := bytes.Cut(data, []byte{' '})
		name, rest, ok2 := bytes.Cut(rest, []byte{0})
		if !ok || !ok2 || len(rest) < oidBytes || len(mode) > 6 {
			return nil, errors.New("malformed tree")
		}
		entries = append(entries, entry{mode: strings.TrimLeft(string(mode), "0"), name: string(name), oid: hex.EncodeToString(rest[:oidBytes])})
		data = rest[oidBytes:]
	}
	return entries, nil
}
