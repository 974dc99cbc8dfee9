package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killSlack is how long an init may take from KILL to its report before it is killed itself.
const killSlack = 300 * time.Millisecond

// Run runs one command to its end. An error says that the sandbox could not be made
// (ErrUnavailable: by this machine; ErrInvalid: by anybody) or that output could not be
// written; how the command itself ended, if only because there is no such command, is the Result.
//
// When ctx is done, or Spec.Timeout has passed, all processes get TERM, after Spec.Grace KILL.
// When Run returns, no process of the sandbox is left, whatever it had started; if our program
// is killed, they are too. Run may be called from many goroutines.
func Run(ctx context.Context, spec Spec) (Result, error) {
	result, _, err := runWith(ctx, spec, func(*order) {})
	return result, err
}

// runWith is Run with a change of the order, and with what the init found.
func runWith(ctx context.Context, spec Spec, change func(*order)) (Result, findings, error) {
	if ctx.Err() != nil {
		return Result{Interrupted: true}, findings{}, nil
	}
	prep, err := prepare(spec)
	if err != nil {
		return Result{}, findings{}, fmt.Errorf("make sandbox: %w", err)
	}
	change(&prep.order)
	defer removeMade(prep.made)
	// The kernel takes the end of the thread that started the init for the end of the parent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	memory := watchMemory()
	c, err := launch(spec, prep.order)
	if err != nil {
		return Result{}, findings{}, err
	}
	result, err := c.supervise(ctx, spec)
	if err == nil && memory.starved(result, c.said) {
		result.OutOfMemory = true
	}
	return result, c.said.Found, err
}

// child is a running init as its parent sees it.
type child struct {
	cmd      *exec.Cmd
	commands *os.File // write
	reports  *os.File // read
	restore  func()   // the user's terminal
	said     report
}

// launch starts the init and hands it its order.
func launch(spec Spec, o order) (*child, error) {
	line, err := o.encode()
	if err != nil {
		return nil, fmt.Errorf("make sandbox: %w", err)
	}
	orders, commands, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make sandbox: %w", err)
	}
	defer orders.Close()
	reports, reporting, err := os.Pipe()
	if err != nil {
		commands.Close()
		return nil, fmt.Errorf("make sandbox: %w", err)
	}
	defer reporting.Close()
	c := &child{cmd: command(spec), commands: commands, reports: reports, restore: func() {}}
	c.cmd.ExtraFiles = []*os.File{orders, reporting}
	if err := c.begin(spec, o); err != nil {
		commands.Close()
		reports.Close()
		c.restore()
		return nil, err
	}
	if _, err := commands.Write(line); err != nil && !errors.Is(err, unix.EPIPE) {
		_ = c.cmd.Process.Kill()
	}
	return c, nil
}

// begin connects the standard files or the terminal and starts the process.
func (c *child) begin(spec Spec, o order) error {
	if spec.TTY != nil {
		restore, err := makeRaw(spec.TTY)
		if err != nil {
			return fmt.Errorf("use terminal: %w", err)
		}
		c.restore = restore
		c.cmd.ExtraFiles = append(c.cmd.ExtraFiles, spec.TTY)
		c.cmd.Stderr = spec.TTY // a command that is not found
	} else {
		c.cmd.Stdout, c.cmd.Stderr = plainWriters(spec.Stdout, spec.Stderr)
		if spec.Stdin != nil {
			in, err := feed(spec.Stdin)
			if err != nil {
				return fmt.Errorf("make sandbox: %w", err)
			}
			defer in.Close()
			c.cmd.Stdin = in
		}
	}
	if spec.Kind == Bubblewrap {
		files, err := wrap(c.cmd, spec, o)
		if err != nil {
			return unavailable(spec.Kind, err)
		}
		defer closeAll(files)
	}
	if err := c.cmd.Start(); err != nil {
		return unavailable(spec.Kind, fmt.Errorf("start: %w", err))
	}
	return nil
}

// plainWriters hides files, so that the command holds a pipe and not, say, its own log, which it
// could shorten. Two equal writers stay equal: they are then written in order, by one goroutine.
func plainWriters(out, err io.Writer) (io.Writer, io.Writer) {
	wrap := func(w io.Writer) io.Writer {
		if w == nil {
			return nil
		}
		return struct{ io.Writer }{w}
	}
	return wrap(out), wrap(err)
}

// feed copies r into a pipe. The copying ends when r does or when nobody reads; it is not waited
// for, as a terminal may never end.
func feed(r io.Reader) (*os.File, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		defer out.Close()
		_, _ = io.Copy(out, struct{ io.Reader }{r})
	}()
	return in, nil
}

// command is the init as it is to be started.
func command(spec Spec) *exec.Cmd {
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{initName}, Env: []string{}, Dir: "/"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if spec.Kind != Namespaces {
		return cmd
	}
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	cmd.SysProcAttr.UidMappings = idMap(spec.UID, os.Geteuid(), "/proc/self/uid_map")
	cmd.SysProcAttr.GidMappings = idMap(spec.GID, os.Getegid(), "/proc/self/gid_map")
	if spec.UID != 0 { // else the program would lose its capabilities as it is executed
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_SYS_CHROOT}
	}
	return cmd
}

// allIDs is the number of user ids there are, and the size of the first namespace's map.
const allIDs = 1<<32 - 1

// idMap maps our own id to the one inside. Root of the host maps all others too, so that the
// init can reach what lies in other users' folders; the command has no power over them.
func idMap(inside, own int, mapFile string) []syscall.SysProcIDMap {
	list := []syscall.SysProcIDMap{{ContainerID: inside, HostID: own, Size: 1}}
	current, err := os.ReadFile(mapFile)
	var first, to, size int
	if err != nil || own != 0 || os.Geteuid() != 0 || inside >= allIDs-1 {
		return list
	}
	if _, err := fmt.Sscan(string(current), &first, &to, &size); err != nil || first != 0 || to != 0 || size != allIDs {
		return list
	}
	if inside > 0 {
		list = append(list, syscall.SysProcIDMap{ContainerID: 0, HostID: 1, Size: inside})
	}
	return append(list, syscall.SysProcIDMap{ContainerID: inside + 1, HostID: inside + 1, Size: allIDs - inside - 1})
}

// supervise waits for the init, and ends it when it is time.
func (c *child) supervise(ctx context.Context, spec Spec) (Result, error) {
	defer c.commands.Close()
	defer c.restore()
	told := make(chan error, 1)
	go func() {
		told <- json.NewDecoder(c.reports).Decode(&c.said)
		c.reports.Close()
	}()
	ended := make(chan struct{})
	how := make(chan Result, 1)
	go func() { how <- c.endInTime(ctx, spec, ended) }()
	err := c.cmd.Wait() // and for the last of the output
	close(ended)
	result, tell := <-how, <-told
	if tell != nil && !result.TimedOut && !result.Interrupted {
		return result, c.lost(spec.Kind, err)
	}
	if c.said.Failed != "" {
		return result, c.refused(spec.Kind)
	}
	result.fill(c.said, tell)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result, fmt.Errorf("write output: %w", err)
	}
	return result, nil
}

// fill takes over what the init said; it said nothing where it had to be killed.
func (r *Result) fill(said report, tell error) {
	if tell != nil {
		r.Signal, r.ExitCode, r.Killed = unix.SIGKILL, 128+int(unix.SIGKILL), r.Interrupted || r.TimedOut
		return
	}
	r.Killed = said.Killed && (r.Interrupted || r.TimedOut)
	r.ExitCode, r.Signal = said.ExitCode, syscall.Signal(said.Signal)
	r.Duration, r.UserTime, r.SystemTime, r.MaxRSS = said.Duration, said.User, said.System, said.MaxRSS
}

// endInTime ends the sandbox when ctx is done or the time is over: TERM, then KILL, then the
// init itself, with which the kernel kills all that is left. Until ended is closed it also
// hands on changes of the terminal's size.
func (c *child) endInTime(ctx context.Context, spec Spec, ended <-chan struct{}) Result {
	var result Result
	timeout := timer(spec.Timeout)
	defer timeout.Stop()
	sizes := make(chan os.Signal, 1)
	if spec.TTY != nil {
		signal.Notify(sizes, unix.SIGWINCH)
		defer signal.Stop(sizes)
	}
	for waiting := true; waiting; {
		select {
		case <-ended:
			return result
		case <-sizes:
			c.tell(resized)
		case <-ctx.Done():
			result.Interrupted, waiting = true, false
		case <-timeout.C:
			result.TimedOut, waiting = true, false
		}
	}
	grace := spec.Grace
	if grace <= 0 {
		grace = DefaultGrace
	}
	c.tell(termAll)
	if endedWithin(ended, grace) {
		return result
	}
	c.tell(killAll)
	if !endedWithin(ended, killSlack) {
		_ = c.cmd.Process.Kill()
	}
	return result
}

// timer never fires for 0.
func timer(d time.Duration) *time.Timer {
	if d <= 0 {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTimer(d)
}

func endedWithin(ended <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ended:
		return true
	case <-t.C:
		return false
	}
}

// tell sends a command; an init that has ended does not need it.
func (c *child) tell(command byte) { _, _ = c.commands.Write([]byte{command}) }

// lost is an init that ended without a word: it was killed from outside, or never started by
// bubblewrap, which has told why on Stderr.
func (c *child) lost(kind Kind, err error) error {
	if err == nil {
		err = errors.New("it ended without a report")
	}
	if kind == Bubblewrap {
		return unavailable(kind, err)
	}
	return fmt.Errorf("sandbox broke down: %w", err)
}

// refused is the error for what the init could not do.
func (c *child) refused(kind Kind) error {
	err := error(fmt.Errorf("%s", c.said.Failed))
	if c.said.Errno != 0 {
		err = &refusal{text: c.said.Failed, errno: c.said.Errno}
	}
	if c.said.Denied {
		return unavailable(kind, err)
	}
	return fmt.Errorf("make sandbox: %w", err)
}

// refusal is an error that crossed the pipe: its text holds that of errno already.
type refusal struct {
	text  string
	errno syscall.Errno
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.errno }
