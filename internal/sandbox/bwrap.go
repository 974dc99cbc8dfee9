package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// bwrapPaths is where bubblewrap may be. It is not looked for in the user's PATH, as an AppArmor
// profile that lets it make user namespaces goes by its installed path.
var bwrapPaths = []string{"/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap"}

// findBwrap returns the path of bubblewrap.
func findBwrap() (string, error) {
	for _, name := range bwrapPaths {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name, nil
		}
	}
	return "", fmt.Errorf("find bwrap in /usr/bin: %w", os.ErrNotExist)
}

// wrap turns the command that would start our init into bubblewrap, which makes the same mounts
// and namespaces and then starts our init as process 1 in them. The files it returns, the
// content of made up ones, are to be closed once it has started.
func wrap(cmd *exec.Cmd, spec Spec, o order) ([]*os.File, error) {
	program, err := findBwrap()
	if err != nil {
		return nil, err
	}
	args := []string{"bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
		"--uid", strconv.Itoa(spec.UID), "--gid", strconv.Itoa(spec.GID), "--hostname", o.Hostname,
		"--die-with-parent", "--as-pid-1", "--cap-drop", "ALL"} // as root it would keep them all
	var files []*os.File
	for i, m := range o.Mounts {
		if i == 0 && m.Op == opTmpfs || strings.HasPrefix(m.Path, "/dev/") && (m.Device || m.Op == opLink || m.Op == opPts) {
			continue // bubblewrap's own root, and what its --dev makes
		}
		if m.Op == opFile {
			file, err := contentFile(m.Source)
			if err != nil {
				closeAll(files)
				return nil, fmt.Errorf("make %s: %w", m.Path, err)
			}
			args = append(args, "--ro-bind-data", strconv.Itoa(3+len(cmd.ExtraFiles)), m.Path)
			files, cmd.ExtraFiles = append(files, file), append(cmd.ExtraFiles, file)
			continue
		}
		args = append(args, bwrapStep(m)...)
		if m.Op == opProc && os.Geteuid() == 0 {
			args = append(args, bwrapProc(m.Path)...)
		}
	}
	if o.Mounts[0].Op == opTmpfs && !o.RootWritable {
		args = append(args, "--remount-ro", "/")
	}
	args = append(args, "--", initPath)
	if os.Geteuid() != 0 {
		cmd.Path, cmd.Args = program, args
		return files, nil
	}
	cmd.Args = append([]string{outerName, program}, args...)
	cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
	return files, nil
}

// outerName is the name (argv[0]) under which the program is started again to start bubblewrap as root.
const outerName = "git-bst-sandbox-outer"

// startOuter makes the devices read-only mounts in this process's own mount namespace and becomes
// bubblewrap, args. That has no option for it (a read-only bind of its has no devices), but it
// keeps the mounts' flags. Only root needs it: the devices are no other user's to change. It
// returns only what went wrong.
func startOuter(args []string) report {
	if len(args) < 2 {
		return failure("start bubblewrap", unix.EINVAL)
	}
	b := builder{old: !hasMountSetattr()}
	for _, name := range devices {
		if err := b.bindReadOnly("/dev/"+name, "/dev/"+name); err != nil {
			return failure("", &mountError{"make /dev/" + name + " read-only", err})
		}
	}
	return failure("start bubblewrap", syscall.Exec(args[0], args[1:], []string{}))
}

// bwrapStep is one step in bubblewrap's words.
func bwrapStep(m mount) []string {
	switch m.Op {
	case opTmpfs:
		if m.Path == "/dev" {
			return []string{"--dev", m.Path}
		}
		return []string{"--perms", fmt.Sprintf("%04o", m.Mode), "--tmpfs", m.Path}
	case opDir:
		return []string{"--perms", fmt.Sprintf("%04o", m.Mode), "--dir", m.Path}
	case opLink:
		return []string{"--symlink", m.Source, m.Path}
	case opProc:
		return []string{"--proc", m.Path}
	case opReadOnly:
		return []string{"--remount-ro", m.Path}
	}
	if m.Writable {
		return []string{"--bind", m.Source, m.Path}
	}
	return []string{"--ro-bind", m.Source, m.Path}
}

// bwrapProc is protectProc in bubblewrap's words.
func bwrapProc(at string) []string {
	var args []string
	for _, name := range protectedProc {
		if _, err := os.Stat("/proc/" + name); err == nil {
			args = append(args, "--ro-bind", "/proc/"+name, at+"/"+name)
		}
	}
	for _, name := range hiddenProc {
		if _, err := os.Stat("/proc/" + name); err == nil {
			args = append(args, "--ro-bind", "/dev/null", at+"/"+name)
		}
	}
	return args
}

// contentFile is a file that exists only as long as it is open.
func contentFile(content string) (*os.File, error) {
	fd, err := unix.MemfdCreate("content", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "content")
	if _, err := file.WriteString(content); err != nil {
		file.Close()
		return nil, err
	}
	if _, err := file.Seek(0, 0); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		file.Close()
	}
}
