package sandbox

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
)

// changeModes tries to give each device, also by a file that is open, the mode that it has.
const changeModes = `
for file in null zero full random urandom tty; do
	test -e /dev/$file || continue
	chmod $(stat -c %a /dev/$file) /dev/$file 2>/dev/null && echo chmod /dev/$file
done
for file in keys kmsg kcore timer_list; do
	test -c /proc/$file && chmod 666 /proc/$file 2>/dev/null && echo chmod /proc/$file
done
for fd in 0 1 2; do
	test -c /proc/self/fd/$fd && chmod 666 /proc/self/fd/$fd 2>/dev/null && echo chmod $fd >/w/said
done
echo x > /dev/null && echo y > /dev/zero || echo not writable
`

// TestDevicesCannotBeChanged: root of the host owns the devices that are shown, and needs no
// capability to change their modes, for the host too. An ordinary user fails in any case.
func TestDevicesCannotBeChanged(t *testing.T) {
	for name, c := range map[string]struct {
		kind Kind
		old  bool
	}{"namespaces": {Namespaces, false}, "old kernel": {Namespaces, true}, "bubblewrap": {Bubblewrap, false}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, silent := range []bool{false, true} {
				var out bytes.Buffer
				spec := Spec{Kind: c.kind, Args: []string{"sh", "-c", changeModes}, Env: []string{"PATH=/usr/bin:/bin"},
					Binds: []Bind{{Source: dir, Target: "/w", Writable: true}}}
				if !silent { // else the standard files are the null device
					spec.Stdout, spec.Stderr = &out, &out
				}
				_, _, err := runWith(context.Background(), spec, func(o *order) { o.Old = c.old })
				if errors.Is(err, ErrUnavailable) {
					t.Skipf("NOT TESTED on this machine: %v", err)
				}
				said, _ := os.ReadFile(dir + "/said")
				if err != nil || out.String()+string(said) != "" {
					t.Errorf("%v, changed:\n%s%s", err, out.String(), said)
				}
			}
		})
	}
}
