package cas

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
)

// Problem is something that Fsck found.
type Problem struct {
	Path     string // below the store's folder
	What     string
	Repaired bool // it is as it should be now; a corrupt blob is when it has been moved aside
}

// Fsck reads every blob and calls report, from this goroutine, for each that is not what its name
// says and for everything that does not belong where it is. Corrupt blobs are moved aside, wrong
// permissions are corrected. It may run beside builds. A nil error means that all was looked at,
// whatever was found; then no blob is in doubt any more.
func (l *Local) Fsck(ctx context.Context, report func(Problem)) error {
	began, err := l.fsckBegins()
	if err != nil {
		return fmt.Errorf("check the store: %w", writeError(err))
	}
	err = l.eachFolder(ctx, func(folder string, names []string) error {
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return err
			}
			l.checkObject(folder, name, report)
		}
		return nil
	})
	if err == nil && !l.readOnly {
		l.unsynced.Store(true)
		if err = l.Sync(ctx); err == nil {
			err = l.trustAll(ctx, began)
		}
	}
	if err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	return nil
}

// fsckBegins returns the file system's time; whatever is in doubt was written before it.
func (l *Local) fsckBegins() (int64, error) {
	if l.readOnly {
		return 0, nil
	}
	return l.fileSystemTime()
}

// recheck reads a blob without that counting as a use.
func (l *Local) recheck(d digest.Digest, name string, st *unix.Stat_t) error {
	r, err := l.openBlob(d, name, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.drain(); err != nil {
		return err
	}
	if !l.readOnly && l.trust.suspects(ctime(st)) {
		return l.touch(name, st.Atim.Nano())
	}
	return nil
}

func (l *Local) checkObject(folder, name string, report func(Problem)) {
	path := folder + "/" + name
	tell := func(what string, repaired bool) {
		report(Problem{Path: "objects/" + path, What: what, Repaired: repaired})
	}
	blob := strings.TrimSuffix(name, execSuffix)
	if raw, err := hex.DecodeString(folder + blob); err != nil || len(raw) != 32 || strings.ToLower(folder+blob) != folder+blob {
		tell("not a blob's name", false)
		return
	}
	st, err := l.stat(path)
	if err != nil {
		return // collected meanwhile
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		tell("not a regular file", false)
		return
	}
	d, err := digest.New(folder+blob, st.Size)
	if err != nil {
		tell(err.Error(), false)
		return
	}
	switch err := l.recheck(d, path, &st); {
	case errors.Is(err, ErrCorrupt):
		tell("the content is not that of the name; moved aside", !l.readOnly)
		return
	case errors.Is(err, ErrNotFound):
		return
	case err != nil:
		tell(err.Error(), false)
		return
	}
	want := uint32(0o444)
	if blob != name {
		want = 0o555
	}
	if st.Mode&0o7777 != want {
		err := unix.Fchmodat(l.objects, path, want, 0)
		tell(fmt.Sprintf("has mode %04o, not %04o", st.Mode&0o7777, want), err == nil)
	}
}
