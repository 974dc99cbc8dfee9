package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminal is the command's own terminal, whose traffic the init carries to and from the user's.
// So the command can push no input into the user's terminal and job control works inside.
// A nil terminal does nothing.
type terminal struct {
	user, outer, inner *os.File
	done               chan struct{}
}

// openTerminal makes the terminal that an order asks for, nil if none.
func openTerminal(o order) (*terminal, error) {
	if !o.TTY {
		return nil, nil
	}
	t := &terminal{user: os.NewFile(ttyFd, "terminal"), done: make(chan struct{})}
	var err error
	if t.outer, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, err
	}
	fd := int(t.outer.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock: %w", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	t.inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if settings, err := unix.IoctlGetTermios(int(t.user.Fd()), unix.TCGETS); err == nil {
		_ = unix.IoctlSetTermios(int(t.inner.Fd()), unix.TCSETS, cooked(settings))
	}
	t.resize()
	return t, nil
}

// cooked are the settings of a terminal before a program begins to use it, whatever ours has
// been switched to for carrying.
func cooked(settings *unix.Termios) *unix.Termios {
	c := *settings
	c.Iflag |= unix.ICRNL | unix.IXON
	c.Oflag |= unix.OPOST | unix.ONLCR
	c.Lflag |= unix.ISIG | unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHOCTL | unix.ECHOKE | unix.IEXTEN
	return &c
}

// resize hands on the size of the user's terminal.
func (t *terminal) resize() {
	if t == nil {
		return
	}
	if size, err := unix.IoctlGetWinsize(int(t.user.Fd()), unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(t.outer.Fd()), unix.TIOCSWINSZ, size)
	}
}

// carry begins to copy both ways. The command holds its side already.
func (t *terminal) carry() {
	if t == nil {
		return
	}
	_ = t.inner.Close()
	go func() { _, _ = io.Copy(t.outer, t.user) }() // ends with the process
	go func() {
		defer close(t.done)
		for buffer := make([]byte, 32<<10); ; {
			n, err := t.outer.Read(buffer)
			if _, werr := t.user.Write(buffer[:n]); err != nil || werr != nil {
				return // EIO: nobody holds the other side any more
			}
		}
	}()
}

// drain waits until the last output is carried.
func (t *terminal) drain() {
	if t != nil {
		<-t.done
	}
}

// makeRaw hands every key on to the command's own terminal; the function it returns restores.
func makeRaw(file *os.File) (func(), error) {
	fd := int(file.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		if errors.Is(err, unix.ENOTTY) {
			return nil, fmt.Errorf("%w: %s is no terminal", ErrInvalid, file.Name())
		}
		return nil, err
	}
	raw := *before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}
