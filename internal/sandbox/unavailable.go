package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/git-bst/git-bst/internal/hint"
)

// askDoctor is the hint where nothing better is known.
const askDoctor = "git bst doctor"

// unavailable says that this machine refuses the sandbox, why, and what to do.
func unavailable(kind Kind, cause error) error {
	if kind == Bubblewrap && errors.Is(cause, fs.ErrNotExist) {
		return hint.Add(fmt.Errorf("%w: bubblewrap: %w", ErrUnavailable, cause), "install bubblewrap, or use the sandbox \"namespaces\"")
	}
	if errors.Is(cause, syscall.ENOSPC) { // what the kernel means by "no space left on device"
		cause = fmt.Errorf("the limit of user namespaces is reached: %w", cause)
	}
	err := fmt.Errorf("%w: %s: %w", ErrUnavailable, kind, cause)
	lines := namespaceAdvice(readSysctl)
	if len(lines) == 0 {
		lines = []string{askDoctor}
	}
	return hint.Add(err, lines...)
}

// readSysctl returns the value of a kernel setting such as "user/max_user_namespaces", "" if the
// kernel does not have it.
func readSysctl(name string) string {
	data, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// namespaceAdvice tells what forbids user namespaces here, as commands that allow them.
func namespaceAdvice(sysctl func(string) string) []string {
	var lines []string
	if sysctl("kernel/unprivileged_userns_clone") == "0" {
		lines = append(lines, "sudo sysctl -w kernel.unprivileged_userns_clone=1")
	}
	if sysctl("user/max_user_namespaces") == "0" {
		lines = append(lines, "sudo sysctl -w user.max_user_namespaces=15000")
	}
	if sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" {
		lines = append(lines,
			"sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
			"or give git-bst an AppArmor profile with \"userns,\", or install bubblewrap with its profile")
	}
	return lines
}
