package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/sandbox"
)

// terminals makes a terminal: what the user sees and types at, and what programs hold.
func terminals(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT TESTED on this machine: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

// ended is what the user sees at the end of a run.
const ended = "the run has ended"

// expect reads what the user sees until it holds the text.
func expect(t *testing.T, user *os.File, text string) string {
	t.Helper()
	var seen strings.Builder
	for buffer := make([]byte, 1024); !strings.Contains(seen.String(), text); {
		n, err := user.Read(buffer)
		seen.Write(buffer[:n])
		if err != nil {
			t.Fatalf("%v; expected %q in %q", err, text, seen.String())
		}
		if strings.Contains(seen.String(), ended) && !strings.Contains(seen.String(), text) {
			t.Fatalf("expected %q in %q", text, seen.String())
		}
	}
	return seen.String()
}

func TestTerminal(t *testing.T) {
	for _, kind := range append(kinds, sandbox.None) {
		t.Run(kind.String(), func(t *testing.T) {
			needs(t, kind)
			user, program := terminals(t)
			if err := unix.IoctlSetWinsize(int(user.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77}); err != nil {
				t.Fatal(err)
			}
			before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			// INT must reach the program in the foreground, of the shell that controls the terminal.
			spec := sandbox.Spec{Kind: kind, TTY: program, Env: []string{"PATH=/usr/bin:/bin", "PS1=PROMPT "}}
			spec.Args = []string{"sh", "-c", "test -t 0 && stty size && : </dev/tty && echo tty && trap 'echo got INT' INT; read line; echo \"line $line\"; read other; exit 7"}
			type end struct {
				result sandbox.Result
				err    error
			}
			done := make(chan end, 1)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			go func() {
				result, err := sandbox.Run(ctx, spec)
				done <- end{result, err}
				_, _ = program.WriteString(ended) // else, where the command failed, the test would read for ever
			}()
			expect(t, user, "33 77\r\ntty\r\n")
			_, err1 := user.WriteString("hello\r")
			expect(t, user, "line hello\r\n")
			_, err2 := user.Write([]byte{3}) // Ctrl-C
			expect(t, user, "got INT")
			_, err3 := user.WriteString("\r")
			if err := errors.Join(err1, err2, err3); err != nil {
				t.Fatal(err)
			}
			if got := <-done; got.err != nil || got.result.ExitCode != 7 {
				t.Errorf("%+v %v", got.result, got.err)
			}
			after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("the terminal is not as it was: %v\n%+v\n%+v", err, before, after)
			}
		})
	}
}
