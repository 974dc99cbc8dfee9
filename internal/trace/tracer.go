package trace

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Options says how a folder is traced. The zero value is right.
type Options struct {
	// MaxWatches bounds how many folders are watched; 0 is what the kernel allows.
	MaxWatches int
	// Precise are files whose opens are to be counted exactly, not merged: those that the source
	// changed before a continued build (rule 23). Some that are not there are no error.
	Precise []string
	// Folders, if not nil, are all folders below the traced one, as the caller has just seen them: they are
	// not looked for. Some that are not there any more are no error.
	Folders []string
	// Hold, if not nil, is received from before each reading of events: so a test lets them pile up.
	Hold <-chan struct{}
}

// Tracer watches one folder and all below it. Its methods may be called by any goroutine; between
// Start and Stop one goroutine of its own reads events.
type Tracer struct {
	group errgroup.Group
	file  *os.File // the inotify instance
	conn  syscall.RawConn
	fd    int // its descriptor
	root  int // the traced folder, opened with O_PATH

	mu      sync.Mutex
	opts    Options
	watched map[int32]*folder  // by watch descriptor
	byPath  map[string]*folder // the folders where they are now
	precise map[int32]string   // files with a watch of their own, by its descriptor
	moving  map[uint32]*folder // by cookie: moved away from somewhere, arrival not seen yet
	trace   Trace
	current int // index of the phase that runs; -1 between phases
	uses    map[string]*used
	late    bool
	links   bool             // something was made that may be a further name of a file, and no look for it was made since
	started int64            // file system time before which nothing was traced, nanoseconds since 1970
	missed  bool             // events between phases were dropped, maybe of new folders
	own     map[string]int64 // what the caller changed between phases, and when the next phase began
	buf     []byte
	scratch []byte
}

// used is a path in the phase that runs. The kernel may merge opens of a file, and closes of it, but
// seldom the same ones: a close of what is not open shows that an open was merged.
type used struct {
	Path
	open    uint32 // how many are open now
	precise uint32 // opens that its own watch told
}

// folder is a watched folder.
type folder struct {
	wd   int32
	path string // below the root, "." for it
}

// mask is what is asked of the kernel about each folder. Not reads (an open is enough), nor changes
// of the folder itself beyond what its parent's watch tells. Closes after reading are asked for as
// they keep opens of the same file apart, which the kernel would else merge: of 60 compilers that
// read one header, eight at a time on two processors, it told 50 without them.
const mask = unix.IN_OPEN | unix.IN_CLOSE_NOWRITE | unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB |
	unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ONLYDIR

// eventBuffer holds some 1600 events with short names.
const eventBuffer = 64 << 10

// Start begins to watch the folder dir, in which nobody may be at work yet. What happens before
// the first Phase is not traced. A folder that cannot be watched is a gap of the trace and no
// error; an error means that there is no tracer at all. The caller calls Stop. The context is that
// of the set-up only.
func Start(ctx context.Context, dir string, opts Options) (*Tracer, error) {
	t := &Tracer{opts: opts, watched: map[int32]*folder{}, byPath: map[string]*folder{}, moving: map[uint32]*folder{}, precise: map[int32]string{}, own: map[string]int64{},
		current: -1, buf: make([]byte, eventBuffer)}
	if err := t.open(dir); err != nil {
		return nil, fmt.Errorf("trace %s: %w", dir, err)
	}
	err := error(nil)
	if opts.Folders != nil {
		t.watchKnown(opts.Folders)
	} else {
		err = t.watchTree(ctx, ".")
	}
	if err == nil && len(t.watched) == 0 {
		err = errors.New("its folders can't be watched (fs.inotify.max_user_watches)")
	}
	if err != nil {
		t.close()
		return nil, fmt.Errorf("trace %s: %w", dir, err)
	}
	t.watchFiles()
	t.started = time.Now().UnixNano()
	t.group.Go(t.run)
	return t, nil
}

func (t *Tracer) open(dir string) error {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		unix.Close(root)
		return fmt.Errorf("make an inotify instance (fs.inotify.max_user_instances): %w", err)
	}
	t.root, t.fd, t.file = root, fd, os.NewFile(uintptr(fd), "inotify")
	t.conn, err = t.file.SyscallConn()
	return err
}

func (t *Tracer) close() {
	_ = t.file.Close()
	unix.Close(t.root)
}

// run reads events until Stop wakes it.
func (t *Tracer) run() error {
	err := t.conn.Read(func(uintptr) bool {
		if t.opts.Hold != nil {
			<-t.opts.Hold
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.drain()
		return false // wait for more
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// Phase begins the phase of that name; the one before has ended. What happens from now on is its
// use. The uses of a name that comes again are added.
func (t *Tracer) Phase(name string) {
	t.Pause()
	t.settle(t.begins())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	t.lookAgain()
	t.current, t.late, t.uses = len(t.trace.Phases), false, map[string]*used{}
	for i, p := range t.trace.Phases {
		if p.Name == name {
			t.current = i
			for _, path := range p.Paths {
				t.uses[path.Name] = &used{Path: path}
			}
		}
	}
	if t.current == len(t.trace.Phases) {
		t.trace.Phases = append(t.trace.Phases, Phase{Name: name})
	}
}

// lookAgain finds the folders whose making was missed between phases.
func (t *Tracer) lookAgain() {
	if !t.missed {
		return
	}
	t.missed = false
	err := t.watchTree(context.Background(), ".")
	t.drain()
	if err != nil || t.missed {
		t.trace.AddGap(GapOverflow)
	}
}

// begins returns the time from which on a change is the coming phase's. It is that of Start, or
// now if the caller has changed something since the phase before.
func (t *Tracer) begins() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	begin := t.started
	for path, at := range t.own {
		if at == 0 {
			begin = time.Now().UnixNano()
			t.own[path] = begin
		}
	}
	return begin
}

// settle waits until the file system's clock, which ticks every 1-10 ms, has passed a time: so a
// file whose inode has a later one was changed while it was traced.
func (t *Tracer) settle(begin int64) {
	for {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil || now.Nano() > begin {
			return
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// Pause ends the phase that runs, if any: its processes have ended in order. What happens until
// the next Phase is not traced, so the folder can be captured meanwhile, or changed.
func (t *Tracer) Pause() { t.leave(true) }

// Ending says that the processes of the phase were just told to end: what is written from now on
// is Late.
func (t *Tracer) Ending() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file != nil {
		t.drain() // what happened before is not late
		t.late = true
	}
}

// leave closes the current phase.
func (t *Tracer) leave(ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	if t.current < 0 {
		return
	}
	p := &t.trace.Phases[t.current]
	p.Ended, p.Told, p.Paths = ended, p.Told || t.late, t.result()
	t.current, t.uses = -1, nil
	t.forgetMoving()
}

// Links looks for files that got a further name, or were changed otherwise, without an event that
// says so: by the change times of all files, as a capture after the last phase has them (path and
// nanoseconds since 1970). A caller that has none does not call it; then Stop looks itself, where
// there is reason to. Only before Stop and between phases.
func (t *Tracer) Links(changed iter.Seq2[string, int64]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.trace.Phases) == 0 {
		return
	}
	t.markLinked(changed)
	t.links = false
}

// MayLink reports whether files may have got further names, since Links was told last. Between phases.
func (t *Tracer) MayLink() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.links
}

// Learned returns what was learned so far, between phases; the watching goes on. Whether files got
// further names is in it only as far as Links was told.
func (t *Tracer) Learned() Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Trace{Phases: slices.Clone(t.trace.Phases), Gaps: slices.Clone(t.trace.Gaps)}
}

// Stop ends the watching and returns what was learned. A phase that still runs has not ended: that
// is how a caller says that its processes were killed. Stop returns the same again when called
// again.
func (t *Tracer) Stop() (Trace, error) {
	if t.file == nil {
		return t.trace, nil
	}
	t.leave(false)
	_ = t.file.SetReadDeadline(time.Unix(1, 0))
	err := t.group.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.links && len(t.trace.Phases) > 0 {
		t.markLinked(t.walkChanged)
	}
	t.close()
	t.file = nil
	if err != nil {
		return t.trace, fmt.Errorf("read file events: %w", err)
	}
	return t.trace, nil
}

// Folders returns how many folders are watched.
func (t *Tracer) Folders() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.watched)
}
