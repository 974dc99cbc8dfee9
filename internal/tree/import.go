package tree

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/cas"
	"github.com/git-bst/git-bst/internal/digest"
)

// ImportOptions says what of a folder is taken.
type ImportOptions struct {
	// Exclude, if not nil, leaves out the paths for which it is true; of an excluded folder
	// nothing is looked at. It is called by several goroutines at once.
	Exclude func(path string, isDir bool) bool
	// Jobs is how many goroutines work; 0 is one per processor.
	Jobs int
	// HashOnly computes the same root but stores nothing; the store may then be nil.
	HashOnly bool
	// Index, if not nil, is what an earlier Import of the folder returned: regular files that it
	// shows unchanged are not read, if their blobs are in the store (with HashOnly: anyhow).
	Index *StatIndex
	// Held says that all blobs of the Index are in the store, as the caller has seen since it holds
	// a lease: they are not asked for.
	Held bool
	// Quiet, if not nil, says of folders that nothing in them or below changed since the Index was made,
	// and that their blobs are in the store: they are not looked at. It is called by several goroutines
	// at once. What the Index can't hold, Skipped, is not reported of them.
	Quiet func(path string) bool
}

// Imported is a folder as a tree.
type Imported struct {
	Root    digest.Digest
	Times   Times      // modification times of the regular files
	Index   *StatIndex // for the next Import of the same folder
	Files   int        // regular files in the tree
	Bytes   int64      // their sizes together
	Hashed  int        // files that were read
	Skipped []string   // what a tree cannot hold: fifos, sockets, devices, names or links not UTF-8; sorted
}

// Import makes the content of the folder dir a tree, and stores all its blobs. A file is
// executable if its owner may execute it. Symbolic links are taken as they are and never
// followed. A folder that changes meanwhile gives a mixture, or an error if something vanishes;
// the index is right nevertheless. Sync is the caller's.
func Import(ctx context.Context, store *cas.Local, dir string, opts ImportOptions) (Imported, error) {
	var open folders
	defer open.close()
	root, err := open.openRoot(dir)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	taken, err := indexTime()
	if err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", dir, err)
	}
	im := &importer{ctx: ctx, store: store, opts: opts}
	top := &branch{}
	err = runPool(ctx, opts.Jobs, func(p *pool) {
		im.pool = p
		p.push(func(w *worker) error { return im.scan(w, root, top) })
	})
	if err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", dir, err)
	}
	return im.result(top.digest, taken), nil
}

// importer is the state of one Import.
type importer struct {
	ctx   context.Context
	store *cas.Local
	opts  ImportOptions
	pool  *pool
	total atomic.Int64 // entries, to refuse endless trees

	mu      sync.Mutex
	stats   []Stat
	folders []FolderStat
	reused  []string // folders whose entries are the Index's
	skipped []string
	hashed  int
}

// branch is a folder of the tree that is being gathered. The goroutine that brings pending to 0
// completes it.
type branch struct {
	parent  *branch
	name    string
	stat    FolderStat
	mu      sync.Mutex
	dir     Directory
	pending atomic.Int32
	digest  digest.Digest
}

// filesPerTask bounds the work of one task, so that one large folder keeps all goroutines busy.
const filesPerTask = 256

// scan lists a folder and makes tasks of its content. It uses up the reference to f.
func (im *importer) scan(w *worker, f *folder, b *branch) error {
	defer f.release()
	if err := b.look(f); err != nil {
		return err
	}
	names, err := f.list(w.buf)
	if err != nil {
		return err
	}
	if im.total.Add(int64(len(names))) > maxEntries {
		return fmt.Errorf("%w: more than %d entries", ErrInvalid, maxEntries)
	}
	var files, dirs []string
	for _, e := range names {
		kind, err := f.kindOf(e)
		if err != nil {
			return err
		}
		path := f.join(e.name)
		switch {
		case im.opts.Exclude != nil && im.opts.Exclude(path, kind == unix.DT_DIR):
		case !utf8.ValidString(e.name):
			im.skip(path)
		case kind == unix.DT_DIR:
			if !im.reuse(b, path, e.name) {
				dirs = append(dirs, e.name)
			}
		case kind == unix.DT_REG:
			files = append(files, e.name)
		case kind == unix.DT_LNK:
			if err := im.link(w, f, b, e.name); err != nil {
				return err
			}
		default:
			im.skip(path)
		}
	}
	return im.descend(w, f, b, files, dirs)
}

func (im *importer) descend(w *worker, f *folder, b *branch, files, dirs []string) error {
	// One more, so that b is not completed before all has been given out.
	b.pending.Store(1)
	var tasks []task
	for _, name := range dirs {
		b.pending.Add(1)
		f.hold()
		tasks = append(tasks, func(w *worker) error {
			sub, err := f.open(name)
			f.release()
			if err != nil {
				return err
			}
			return im.scan(w, sub, &branch{parent: b, name: name})
		})
	}
	for len(files) > filesPerTask {
		part := files[:filesPerTask]
		files = files[filesPerTask:]
		b.pending.Add(1)
		f.hold()
		tasks = append(tasks, func(w *worker) error {
			defer f.release()
			if err := im.files(w, f, b, part); err != nil {
				return err
			}
			return im.done(b)
		})
	}
	im.pool.push(tasks...)
	if err := im.files(w, f, b, files); err != nil {
		return err
	}
	return im.done(b)
}

// done completes b, and the folders above it whose last part it was.
func (im *importer) done(b *branch) error {
	for b.pending.Add(-1) == 0 {
		b.dir.sort()
		data, err := b.dir.Encode()
		if err != nil {
			return err
		}
		if im.opts.HashOnly {
			b.digest = digest.Of(data)
		} else if b.digest, err = cas.PutBytes(im.ctx, im.store, data); err != nil {
			return err
		}
		b.stat.Digest, b.stat.Links = b.digest, b.dir.Symlinks
		im.mu.Lock()
		im.folders = append(im.folders, b.stat)
		im.mu.Unlock()
		b.dir = Directory{}
		if b.parent == nil {
			return nil
		}
		up := b.parent
		up.mu.Lock()
		up.dir.Dirs = append(up.dir.Dirs, Dir{b.name, b.digest})
		up.mu.Unlock()
		b = up
	}
	return nil
}

// look takes the status of the folder, from before it is listed: a later change shows against it.
func (b *branch) look(f *folder) error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return fmt.Errorf("look at folder %s: %w", f.path, err)
	}
	b.stat = newFolderStat(f.path, &st)
	return nil
}

// reuse takes a folder of b as the index has it, if nothing changed in it.
func (im *importer) reuse(b *branch, path, name string) bool {
	if im.opts.Quiet == nil || !im.opts.Quiet(path) {
		return false
	}
	known, ok := im.opts.Index.folder(path)
	if !ok {
		return false
	}
	b.mu.Lock()
	b.dir.Dirs = append(b.dir.Dirs, Dir{name, known.Digest})
	b.mu.Unlock()
	im.mu.Lock()
	im.reused = append(im.reused, path)
	im.mu.Unlock()
	return true
}

func (im *importer) link(w *worker, f *folder, b *branch, name string) error {
	target, err := f.readlink(name, w.buf)
	if err != nil {
		return err
	}
	if checkTarget(target) != nil {
		im.skip(f.join(name))
		return nil
	}
	b.mu.Lock()
	b.dir.Symlinks = append(b.dir.Symlinks, Symlink{name, target})
	b.mu.Unlock()
	return nil
}

func (im *importer) skip(path string) {
	im.mu.Lock()
	im.skipped = append(im.skipped, strings.ToValidUTF8(path, "\uFFFD"))
	im.mu.Unlock()
}

// files takes these regular files of one folder.
func (im *importer) files(w *worker, f *folder, b *branch, names []string) error {
	taken := make([]File, 0, len(names))
	stats := make([]Stat, 0, len(names))
	hashed := 0
	for _, name := range names {
		s, read, err := im.file(w, f, name)
		if err != nil {
			return fmt.Errorf("%s: %w", f.join(name), err)
		}
		if s.Digest.IsZero() {
			im.skip(f.join(name))
			continue
		}
		if read {
			hashed++
		}
		stats = append(stats, s)
		taken = append(taken, File{name, s.Digest, s.Mode&unix.S_IXUSR != 0})
	}
	b.mu.Lock()
	b.dir.Files = append(b.dir.Files, taken...)
	b.mu.Unlock()
	im.mu.Lock()
	im.stats = append(im.stats, stats...)
	im.hashed += hashed
	im.mu.Unlock()
	return nil
}

// file returns the file's stat and digest, and whether it had to be read; no digest for what has
// become another kind of file.
func (im *importer) file(w *worker, f *folder, name string) (Stat, bool, error) {
	path := f.join(name)
	var st unix.Stat_t
	if old, ok := im.opts.Index.lookup(path); ok {
		if err := unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return Stat{}, false, err
		}
		if s := newStat(path, &st); im.opts.Index.unchanged(old, s) && im.holds(old.Digest) {
			s.Digest = old.Digest
			return s, false, nil
		}
	}
	fd, err := openat(f.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err != nil {
		return Stat{}, false, err
	}
	defer unix.Close(fd)
	// The stat is from before the content is read: a later change shows against it.
	if err := unix.Fstat(fd, &st); err != nil {
		return Stat{}, false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Stat{}, false, nil
	}
	s := newStat(path, &st)
	s.Digest, err = im.content(w, fd, st.Size)
	return s, true, err
}

func (im *importer) holds(d digest.Digest) bool {
	if im.opts.HashOnly || im.opts.Held {
		return true
	}
	missing, err := im.store.Missing(im.ctx, []digest.Digest{d})
	return err == nil && len(missing) == 0
}

// content stores (or only hashes) what the open file holds.
func (im *importer) content(w *worker, fd int, size int64) (digest.Digest, error) {
	if size < int64(len(w.buf)) {
		n, err := readFull(fd, w.buf)
		if err != nil {
			return digest.Digest{}, err
		}
		if n < len(w.buf) {
			if im.opts.HashOnly {
				return digest.Of(w.buf[:n]), nil
			}
			return cas.PutBytes(im.ctx, im.store, w.buf[:n])
		}
		// It has grown meanwhile.
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return digest.Digest{}, err
		}
	}
	if im.opts.HashOnly {
		return hashFd(im.ctx, w, fd)
	}
	return im.store.PutFd(im.ctx, fd, size)
}

func hashFd(ctx context.Context, w *worker, fd int) (digest.Digest, error) {
	hash := digest.NewHasher()
	for {
		n, err := readFull(fd, w.buf)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return digest.Digest{}, err
		}
		hash.Write(w.buf[:n])
		if n < len(w.buf) {
			return hash.Sum(), nil
		}
	}
}

// readFull reads until p is full or the file ends.
func readFull(fd int, p []byte) (int, error) {
	total := 0
	for total < len(p) {
		n, err := unix.Read(fd, p[total:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
	return total, nil
}

func (im *importer) result(root digest.Digest, taken int64) Imported {
	im.addReused()
	slices.Sort(im.skipped)
	x := &StatIndex{Taken: taken, Stats: im.stats, Folders: im.folders}
	found := x.imported()
	found.Root, found.Hashed, found.Skipped = root, im.hashed, im.skipped
	return found
}

// addReused puts the entries of what was not looked at among the others, and sorts all. They are not
// newer than the time from which on the new index is not sure.
func (im *importer) addReused() {
	byPath := func(a, b Stat) int { return strings.Compare(a.Path, b.Path) }
	folderByPath := func(a, b FolderStat) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(im.stats, byPath)
	slices.SortFunc(im.folders, folderByPath)
	if len(im.reused) == 0 {
		return
	}
	slices.Sort(im.reused)
	stats := make([]Stat, 0, len(im.opts.Index.Stats))
	folders := make([]FolderStat, 0, len(im.opts.Index.Folders))
	for _, path := range im.reused {
		self, _ := im.opts.Index.folder(path)
		files, below := im.opts.Index.below(path)
		stats = append(stats, files...)
		folders = append(append(folders, self), below...)
	}
	slices.SortFunc(folders, folderByPath)
	im.stats = mergeSorted(im.stats, stats, byPath)
	im.folders = mergeSorted(im.folders, folders, folderByPath)
}

// mergeSorted returns the elements of two sorted lists as one.
func mergeSorted[T any](a, b []T, compare func(a, b T) int) []T {
	all := make([]T, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compare(a[0], b[0]) < 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// imported is what the Import that made the index found.
func (x *StatIndex) imported() Imported {
	found := Imported{Index: x, Files: len(x.Stats), Times: make(Times, len(x.Stats))}
	for i, s := range x.Stats {
		found.Times[i] = Time{s.Path, s.MTime}
		found.Bytes += s.Digest.Size()
	}
	if len(x.Folders) > 0 {
		found.Root = x.Folders[0].Digest
	}
	return found
}
