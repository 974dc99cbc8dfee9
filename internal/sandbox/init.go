package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaybeInit must be the first call of main, with its os.Args. Where the program was started as a
// sandbox's init, or to start bubblewrap, it does not return; else it does nothing.
func MaybeInit(args []string) {
	if len(args) == 0 || args[0] != initName && args[0] != initPath && args[0] != outerName {
		return
	}
	runtime.LockOSThread() // privileges, the parent's death signal and the command belong to this thread
	out := os.NewFile(reportFd, "report")
	carryOut := runInit
	if args[0] == outerName {
		carryOut = func() report { return startOuter(args[1:]) }
	}
	if err := json.NewEncoder(out).Encode(carryOut()); err != nil {
		syscall.Exit(1)
	}
	syscall.Exit(0) // at once: os.Exit has the race detector wait a second
}

// runInit carries out the order and tells how it went.
func runInit() report {
	closeOnExec()
	in := bufio.NewReader(os.NewFile(orderFd, "order"))
	line, err := in.ReadBytes('\n')
	if err != nil {
		return failure("read the order", err)
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return failure("read the order", err)
	}
	var found findings
	if err := setUp(o, &found); err != nil {
		return failure("", err)
	}
	t, err := openTerminal(o)
	if err != nil {
		return failure("make a terminal", err)
	}
	if o.Kind != None {
		if err := errors.Join(dropPrivileges(), refuseKeys()); err != nil {
			return failure("", err)
		}
	}
	r := reaper{pids: o.Kind != None && os.Getpid() == 1}
	result := r.run(o, in, t)
	result.Found = found
	return result
}

// failure is the report of a sandbox that could not be made. A refusal by the kernel is the
// machine's; a file that is not there is not.
func failure(what string, err error) report {
	r := report{Failed: err.Error()}
	if what != "" {
		r.Failed = what + ": " + r.Failed
	}
	if errors.As(err, &r.Errno) {
		switch r.Errno {
		case unix.EPERM, unix.EACCES, unix.ENOSYS, unix.ENOSPC, unix.EINVAL, unix.ENODEV:
			var at *mountError
			r.Denied = errors.As(err, &at) && !(r.Errno == unix.EACCES && strings.HasPrefix(at.step, "open "))
		}
	}
	return r
}

// closeOnExec marks all inherited files but the standard three.
func closeOnExec() {
	if unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		var fd int
		if _, err := fmt.Sscan(entry.Name(), &fd); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// setUp makes this process the first one of the sandbox.
func setUp(o order, found *findings) error {
	if o.Kind != Namespaces {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("become reaper: %w", err)
		}
	} else {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return fmt.Errorf("ask for the parent's death: %w", err)
		}
		if err := unix.Sethostname([]byte(o.Hostname)); err != nil {
			return &mountError{"set the host name", err}
		}
		if err := loopbackUp(); err != nil {
			return &mountError{"start the loopback", err}
		}
		if err := makeTree(o, found); err != nil {
			return err
		}
	}
	if o.Kind != None {
		if err := ownNull(); err != nil {
			return fmt.Errorf("open /dev/null: %w", err)
		}
	}
	if err := ownKeyring(); err != nil {
		return fmt.Errorf("join a new session keyring: %w", err)
	}
	unix.Umask(0o022)
	core := unix.Rlimit{}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	if err := unix.Chdir(o.Dir); err != nil {
		return fmt.Errorf("enter %s: %w", o.Dir, err)
	}
	return nil
}

// loopbackUp starts the only network there is.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// reaper is the running init.
type reaper struct {
	pids        bool // we are process 1: "all processes" are the sandbox's
	main        atomic.Int64
	terminating atomic.Bool
	killed      atomic.Bool
}

// run starts the command and returns when it and all other processes have ended.
func (r *reaper) run(o order, in *bufio.Reader, t *terminal) report {
	signals := make(chan os.Signal, 16)
	// What is handled here starts with its default in the command, even if our caller ignored it.
	signal.Notify(signals, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	began := time.Now()
	pid, err := start(o, t)
	if err != nil {
		return notStarted(o.Args[0], err)
	}
	r.main.Store(int64(pid))
	go r.obey(in, t)
	go r.forward(signals)
	t.carry()
	status := r.reap(pid)
	t.drain()
	return r.report(status, time.Since(began))
}

// notStarted is what a shell says of a command that it cannot start.
func notStarted(name string, err error) report {
	_, _ = unix.Write(2, fmt.Appendf(nil, "%s: %v\n", name, err)) // the command's standard error
	if errors.Is(err, unix.ENOENT) {
		return report{ExitCode: 127}
	}
	return report{ExitCode: 126}
}

// start starts the command in a session of its own.
func start(o order, t *terminal) (int, error) {
	name, err := lookUp(o.Args[0], o.Env)
	if err != nil {
		return 0, err
	}
	attr := &syscall.ProcAttr{Env: o.Env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}}
	if t != nil {
		fd := t.inner.Fd()
		attr.Files = []uintptr{fd, fd, fd}
		attr.Sys.Setctty = true
	}
	return syscall.ForkExec(name, o.Args, attr)
}

// lookUp finds a command in the PATH of env.
func lookUp(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	var result error = unix.ENOENT
	for _, variable := range env {
		folders, found := strings.CutPrefix(variable, "PATH=")
		if !found {
			continue
		}
		for folder := range strings.SplitSeq(folders, ":") {
			full := path.Join(orElse(folder, "."), name)
			info, err := os.Stat(full)
			if err != nil || info.IsDir() {
				continue
			}
			if info.Mode()&0o111 != 0 {
				return full, nil
			}
			result = unix.EACCES
		}
	}
	return "", result
}

// obey carries out what our program asks; when that is gone, everything is killed.
func (r *reaper) obey(in io.ByteReader, t *terminal) {
	for {
		command, err := in.ReadByte()
		switch {
		case err != nil || command == killAll:
			r.killed.Store(true)
			r.kill(unix.SIGKILL)
			if err != nil {
				return
			}
		case command == termAll:
			r.terminating.Store(true)
			r.kill(unix.SIGTERM)
			r.kill(unix.SIGCONT)
		case command == resized:
			t.resize()
		}
	}
}

// forward hands signals for the init on to everything in the sandbox.
func (r *reaper) forward(signals <-chan os.Signal) {
	for s := range signals {
		if s == unix.SIGTERM || s == unix.SIGINT || s == unix.SIGHUP {
			r.kill(s.(syscall.Signal))
		}
	}
}

// kill sends a signal to all processes but the init.
func (r *reaper) kill(s syscall.Signal) {
	if r.pids {
		_ = unix.Kill(-1, s)
		return
	}
	killDescendants(s)
}

// reap waits until no process is left. When the command has ended by itself the others are
// killed; when all were asked to end (make removes what it had half written) they get their time.
func (r *reaper) reap(pid int) syscall.WaitStatus {
	var result syscall.WaitStatus
	ended := false
	for {
		options := 0
		if ended && !r.terminating.Load() || r.killed.Load() {
			options = syscall.WNOHANG // look first whether there is anything to kill
		}
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, options, nil)
		if err == nil && got == 0 {
			r.kill(unix.SIGKILL)
			got, err = syscall.Wait4(-1, &status, 0, nil)
		}
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return result // ECHILD: nothing is left
		}
		if got == pid {
			result, ended = status, true
		}
	}
}

// report puts together how it went.
func (r *reaper) report(status syscall.WaitStatus, took time.Duration) report {
	out := report{Duration: took, Killed: r.killed.Load(), ExitCode: status.ExitStatus()}
	if status.Signaled() {
		out.Signal = int(status.Signal())
		out.ExitCode = 128 + out.Signal
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err == nil {
		out.User, out.System = time.Duration(usage.Utime.Nano()), time.Duration(usage.Stime.Nano())
		out.MaxRSS = usage.Maxrss * 1024
	}
	return out
}
