package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/hint"
)

// ErrUnsafeArchive is returned for an archive with a member that would be written outside the
// folder it is unpacked to, or whose name is none.
var ErrUnsafeArchive = errors.New("unsafe archive")

// pathBytes is the longest name or link target of a member: PATH_MAX of Linux, beyond which
// BuildStream could not unpack it either.
const pathBytes = 4096

type memberKind int

const (
	memberFile memberKind = iota
	memberDir
	memberSymlink
	memberHardlink
)

// member is one entry of an archive, in the archive's own order; later ones overwrite earlier ones.
type member struct {
	name       string // as written, without the slash at the end of a folder's
	kind       memberKind
	link       string // of a symlink its target, of a hard link the name of a member before it
	executable bool
	content    digest.Digest
}

// archive is what readArchive found.
type archive struct {
	members []member
	skipped []string // devices and fifos, which BuildStream leaves out too
}

// putFunc stores the bytes of a reader.
type putFunc func(ctx context.Context, r io.Reader) (digest.Digest, error)

// readArchive reads a tar archive from its beginning to its end, giving the content of each
// regular file to put. It keeps names and digests only. An unsafe name is ErrUnsafeArchive, more
// than limits is ErrTooLarge.
func readArchive(ctx context.Context, r io.Reader, limits Limits, put putFunc) (archive, error) {
	limits = limits.orDefault()
	reader := tar.NewReader(&boundedReader{ctx: ctx, r: r, left: limits.UnpackedBytes})
	left := limits.UnpackedBytes
	names := nameBudget{members: limits.Members, bytes: 256 * limits.Members, depth: 8 * limits.Members}
	var found archive
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return archive{}, tooLarge(fmt.Errorf("read archive: %w", err))
		}
		if err := names.spend(header); err != nil {
			return archive{}, tooLarge(err)
		}
		entry, keep, err := readMember(header)
		if err != nil {
			return archive{}, err
		}
		if !keep {
			if header.Typeflag != tar.TypeXGlobalHeader {
				found.skipped = append(found.skipped, entry.name)
			}
			continue
		}
		if entry.kind == memberFile {
			entry.content, err = put(ctx, &boundedReader{ctx: ctx, r: reader, left: left})
			if err != nil {
				return archive{}, tooLarge(fmt.Errorf("unpack %s: %w", entry.name, err))
			}
			left -= entry.content.Size() // a sparse file is larger than what stands for it in the archive
		}
		found.members = append(found.members, entry)
	}
}

// nameBudget bounds the memory that names take: an archive's content is not kept in memory, its
// names are. On average a member may have 256 bytes of names and be 8 folders deep.
type nameBudget struct{ members, bytes, depth int }

func (b *nameBudget) spend(h *tar.Header) error {
	b.members--
	b.bytes -= len(h.Name) + len(h.Linkname)
	b.depth -= 1 + strings.Count(h.Name, "/")
	if min(b.members, b.bytes, b.depth) < 0 {
		return fmt.Errorf("read archive: %w: too many members, or too long names", ErrTooLarge)
	}
	return nil
}

func tooLarge(err error) error {
	if !errors.Is(err, ErrTooLarge) {
		return err
	}
	return hint.Add(err, "what unpacks to so much is refused as a likely attack; a local source has no such limit")
}

// readMember checks one header. keep is false for what is left out.
func readMember(h *tar.Header) (entry member, keep bool, err error) {
	entry = member{name: h.Name, executable: h.Mode&0o100 != 0}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		entry.kind = memberFile
	case tar.TypeDir:
		entry.kind, entry.name = memberDir, strings.TrimRight(h.Name, "/")
	case tar.TypeSymlink:
		entry.kind, entry.link = memberSymlink, h.Linkname
	case tar.TypeLink:
		entry.kind, entry.link = memberHardlink, h.Linkname
	case tar.TypeXGlobalHeader:
		return entry, false, nil
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return entry, false, checkMemberName(h.Name, h.Name)
	default:
		return entry, false, fmt.Errorf("%w: member %q is of the unknown type %q", ErrUnsafeArchive, h.Name, h.Typeflag)
	}
	if err := checkMemberName(h.Name, entry.name); err != nil {
		return entry, false, err
	}
	return entry, true, checkMemberLink(entry)
}

// checkMemberName refuses what leads outside: BuildStream's own unpacking refuses ".." only when
// it does, and drops the slash of an absolute name. Neither occurs in an honest release.
func checkMemberName(shown, name string) error {
	switch {
	case name == "" && shown != "" || strings.HasPrefix(name, "/"):
		return fmt.Errorf("%w: member %q has an absolute name", ErrUnsafeArchive, shown)
	case hasParentComponent(name):
		return fmt.Errorf("%w: member %q has %q in its name", ErrUnsafeArchive, shown, "..")
	case len(name) > pathBytes:
		return fmt.Errorf("%w: member %q… has a name of %d bytes", ErrUnsafeArchive, shown[:64], len(name))
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("%w: member %q has a name that is not UTF-8 text", ErrUnsafeArchive, shown)
	}
	return nil
}

func checkMemberLink(entry member) error {
	switch {
	case len(entry.link) > pathBytes:
		return fmt.Errorf("%w: link %q has a target of %d bytes", ErrUnsafeArchive, entry.name, len(entry.link))
	case !utf8.ValidString(entry.link) || strings.ContainsRune(entry.link, 0):
		return fmt.Errorf("%w: link %q has a target that is not UTF-8 text", ErrUnsafeArchive, entry.name)
	case entry.kind == memberSymlink && entry.link == "":
		return fmt.Errorf("%w: link %q has no target", ErrUnsafeArchive, entry.name)
	case entry.kind != memberHardlink:
		return nil
	case path.IsAbs(entry.link) || hasParentComponent(entry.link):
		return fmt.Errorf("%w: hard link %q leads outside, to %q", ErrUnsafeArchive, entry.name, entry.link)
	}
	return nil
}

func hasParentComponent(name string) bool {
	for component := range strings.SplitSeq(name, "/") {
		if component == ".." {
			return true
		}
	}
	return false
}
