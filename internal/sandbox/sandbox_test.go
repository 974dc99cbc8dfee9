package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/git-bst/git-bst/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.MaybeInit(os.Args)
	os.Exit(m.Run())
}

// run runs a shell script in a sandbox and returns how it ended and what it said.
func run(t *testing.T, spec sandbox.Spec, script string) (sandbox.Result, string) {
	t.Helper()
	var out bytes.Buffer
	spec.Args = []string{"sh", "-c", script}
	if spec.Env == nil {
		spec.Env = []string{"PATH=/usr/bin:/bin"}
	}
	spec.Stdout, spec.Stderr = &out, &out
	result, err := sandbox.Run(context.Background(), spec)
	if err != nil {
		t.Fatalf("Run: %v\n%s", err, out.String())
	}
	return result, out.String()
}

func TestHello(t *testing.T) {
	began := time.Now()
	result, out := run(t, sandbox.Spec{}, "echo hello; id; ls /; ls /etc; mount; cat /proc/self/status | grep Cap; exit 3")
	t.Log(time.Since(began), result)
	t.Log(out)
	if result.ExitCode != 3 || !strings.HasPrefix(out, "hello\n") {
		t.Errorf("result %+v, output %q", result, out)
	}
}

func TestNoCommand(t *testing.T) {
	if _, err := sandbox.Run(context.Background(), sandbox.Spec{}); !errors.Is(err, sandbox.ErrInvalid) {
		t.Errorf("error %v", err)
	}
}
