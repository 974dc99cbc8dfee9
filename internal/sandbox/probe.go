package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/git-bst/git-bst/internal/hint"
)

// minWatches is the number of inotify watches below which tracing a build tree of some ten
// thousand folders fails; many distributions still start with 8 192.
const minWatches = 65536

// Check is one thing that was looked at.
type Check struct {
	Name   string // stable, for scripts
	OK     bool
	Detail string // what is the case
	Advice string // what to do, if anything; several commands are lines
}

// Report is what Probe found. Not every check that is not OK is a hindrance: Choose knows.
type Report struct {
	Checks                 []Check
	namespaces, bubblewrap error
}

// Choose returns the best Kind that works here, or the reason why none does: ErrUnavailable with
// hints. It never chooses None.
func (r Report) Choose() (Kind, error) {
	switch {
	case r.namespaces == nil:
		return Namespaces, nil
	case r.bubblewrap == nil:
		return Bubblewrap, nil
	}
	return Namespaces, hint.Add(r.namespaces, askDoctor)
}

// Probe tries the sandboxes, which takes some ten milliseconds, and looks at what may hinder
// them. It changes nothing.
func Probe(ctx context.Context) Report {
	spec := Spec{Args: []string{"true"}, Env: []string{"PATH=/usr/bin:/bin"}}
	_, found, err := runWith(ctx, spec, func(o *order) { o.Probe = true })
	report := Report{namespaces: err}
	var said bytes.Buffer
	spec.Kind, spec.Stderr = Bubblewrap, &said
	_, report.bubblewrap = Run(ctx, spec)
	m := machine{read: readText, exists: exists, sysctl: readSysctl}
	report.Checks = append(report.Checks, tried("namespaces", err), m.settings(err))
	if err == nil {
		report.Checks = append(report.Checks, inside(found)...)
	}
	report.Checks = append(report.Checks, bubblewrapCheck(report, strings.TrimSpace(said.String())), m.container(err), m.inotify())
	return report
}

// tried is the check of a kind of sandbox.
func tried(name string, err error) Check {
	if err == nil {
		return Check{Name: name, OK: true, Detail: "a sandbox of its own namespaces works"}
	}
	return Check{Name: name, Detail: err.Error(), Advice: orElse(advice(err), "see the other lines")}
}

// advice is what an error's hints say, but not to ask doctor, which is us.
func advice(err error) string {
	lines := slices.DeleteFunc(slices.Clone(hint.Lines(err)), func(line string) bool { return line == askDoctor })
	return strings.Join(lines, "\n")
}

// bubblewrapCheck: it is needed only where our own namespaces are forbidden.
func bubblewrapCheck(r Report, said string) Check {
	path, err := findBwrap()
	switch {
	case err != nil && r.namespaces == nil:
		return Check{Name: "bubblewrap", OK: true, Detail: "not installed, and not needed"}
	case err != nil:
		return Check{Name: "bubblewrap", Detail: "not installed", Advice: "install bubblewrap: it may be allowed what git-bst is not"}
	case r.bubblewrap != nil && r.namespaces == nil:
		return Check{Name: "bubblewrap", OK: true, Detail: path + " fails, but is not needed: " + orElse(said, r.bubblewrap.Error())}
	case r.bubblewrap != nil:
		return Check{Name: "bubblewrap", Detail: path + " fails: " + orElse(said, r.bubblewrap.Error()),
			Advice: orElse(advice(r.bubblewrap), "see the other lines")}
	}
	return Check{Name: "bubblewrap", OK: true, Detail: path + " works"}
}

// inside are the checks that only an init could make.
func inside(found findings) []Check {
	mounts := Check{Name: "mount_setattr", OK: true, Detail: "folders are made read-only at once, with all that is mounted below"}
	if found.OldMounts {
		mounts.Detail = "the kernel is before 5.12, or a seccomp filter forbids it: mounts are changed one by one"
	}
	proc := Check{Name: "proc", OK: true, Detail: "a sandbox has a /proc of its own"}
	if found.SharedProc {
		proc = Check{Name: "proc", Detail: "a sandbox shows the container's /proc, read-only, as that is masked",
			Advice: "start the container with its /proc unmasked (docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL)"}
	}
	overlay := Check{Name: "overlay", OK: true, Detail: "overlays can be mounted in a sandbox"}
	if found.Overlay != "" {
		overlay = Check{Name: "overlay", Detail: "no overlay in a sandbox, trees are copied instead: " + found.Overlay, Advice: "use a kernel of 5.11 or later"}
	}
	return []Check{mounts, proc, overlay}
}

// machine is what the checks read, so that tests can be other machines.
type machine struct {
	read   func(path string) string
	exists func(path string) bool
	sysctl func(name string) string
}

func readText(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// settings are the kernel's settings about user namespaces.
func (m machine) settings(failed error) Check {
	var list []string
	for _, name := range []string{"user/max_user_namespaces", "kernel/unprivileged_userns_clone", "kernel/apparmor_restrict_unprivileged_userns"} {
		if value := m.sysctl(name); value != "" {
			list = append(list, strings.ReplaceAll(name, "/", ".")+"="+value)
		}
	}
	if len(list) == 0 && !m.exists("/proc/self/ns/user") {
		return Check{Name: "user-namespaces", Detail: "the kernel was built without user namespaces", Advice: "use a kernel with CONFIG_USER_NS"}
	}
	lines := namespaceAdvice(m.sysctl)
	c := Check{Name: "user-namespaces", OK: len(lines) == 0 || failed == nil, Detail: strings.Join(list, ", ")}
	if len(list) == 0 {
		c.Detail = "the kernel has no setting for them"
	}
	if !c.OK {
		c.Advice = strings.Join(lines, "\n")
	}
	return c
}

// container tells whether we are in one, and what it is to allow if sandboxes fail in it.
func (m machine) container(failed error) Check {
	c := Check{Name: "container", OK: true, Detail: "not in a container"}
	if kind := m.containerKind(); kind != "" {
		c.Detail = "in a container (" + kind + ")"
	}
	filtered := strings.Contains(m.read("/proc/self/status"), "Seccomp:\t2")
	if filtered {
		c.Detail += ", with a seccomp filter"
	}
	if failed == nil || c.Detail == "not in a container" {
		return c
	}
	c.OK = false
	c.Advice = strings.Join([]string{
		"docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …",
		"podman run --security-opt seccomp=unconfined --security-opt unmask=ALL …",
		"Kubernetes: securityContext with procMount: Unmasked, seccompProfile: Unconfined and hostUsers: false",
		"or build with --sandbox=none in a container that is thrown away; such results are never promoted",
	}, "\n")
	return c
}

// containerKind is the name of the container's maker, "" outside of one.
func (m machine) containerKind() string {
	switch groups := m.read("/proc/1/cgroup"); {
	case m.exists("/.dockerenv"):
		return "docker"
	case m.exists("/run/.containerenv"):
		return "podman"
	case m.exists("/var/run/secrets/kubernetes.io") || strings.Contains(groups, "kubepods"):
		return "kubernetes"
	case strings.Contains(groups, "/docker/"):
		return "docker"
	case strings.Contains(groups, "/lxc"):
		return "lxc"
	case m.exists("/run/systemd/container"):
		return strings.TrimSpace(m.read("/run/systemd/container"))
	}
	return ""
}

// inotify is what tracing a build needs (rule 16: an incomplete trace means Clean).
func (m machine) inotify() Check {
	text := m.sysctl("fs/inotify/max_user_watches")
	watches, err := strconv.Atoi(text)
	if err != nil {
		return Check{Name: "inotify", Detail: "the kernel does not tell its limits", Advice: "use a kernel with CONFIG_INOTIFY_USER"}
	}
	c := Check{Name: "inotify", OK: watches >= minWatches, Detail: fmt.Sprintf("fs.inotify.max_user_watches=%d, max_user_instances=%s", watches, m.sysctl("fs/inotify/max_user_instances"))}
	if !c.OK {
		c.Detail += ": too few to trace large build trees, which are then built clean"
		c.Advice = "sudo sysctl -w fs.inotify.max_user_watches=524288"
	}
	return c
}
