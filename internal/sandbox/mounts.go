package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The operations of a mount. Paths are absolute inside the sandbox; nothing on their way is a
// symlink, as the layout has followed them.
const (
	opTmpfs    = "tmpfs"    // a tmpfs with that mode
	opDir      = "dir"      // a directory in the tmpfs that is there
	opLink     = "link"     // a symlink to Source
	opFile     = "file"     // a file with the content Source
	opBind     = "bind"     // the host's Source with all that is mounted below it
	opProc     = "proc"     // the processes of this namespace
	opPts      = "pts"      // terminals of its own
	opReadOnly = "readonly" // what was mounted there becomes read-only
)

// mount is one step of making the sandbox's tree.
type mount struct {
	Op, Path, Source string
	Writable, Device bool
	File             bool   // a bind of something that is no directory
	Point            bool   // make the mount point first
	Mode             uint32 // permissions of a directory or file that is made
}

// mountError keeps the step and its cause apart, for the report.
type mountError struct {
	step string
	err  error
}

func (e *mountError) Error() string { return e.step + ": " + e.err.Error() }
func (e *mountError) Unwrap() error { return e.err }

// safeFlags are on everything: no set-user-ID files, no devices.
const safeFlags = unix.MS_NOSUID | unix.MS_NODEV

// builder makes the tree below base, which is where the new root gets mounted first.
type builder struct {
	base    string
	old     bool // without open_tree and mount_setattr
	sources map[int]int
	found   *findings
}

// makeTree makes all mounts and makes the result the root of this process.
func makeTree(o order, found *findings) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &mountError{"make mounts private", err}
	}
	base, err := mountBase()
	if err != nil {
		return err
	}
	b := builder{base: base, old: o.Old || !hasMountSetattr(), sources: map[int]int{}, found: found}
	found.OldMounts = b.old
	if err := b.openSources(o.Mounts); err != nil {
		return err
	}
	for i, m := range o.Mounts {
		if err := b.do(i, m); err != nil {
			return &mountError{"mount " + m.Path, err}
		}
	}
	if err := b.enter(); err != nil {
		return err
	}
	if o.Mounts[0].Op == opTmpfs && !o.RootWritable {
		if err := b.readOnly("/"); err != nil {
			return &mountError{"make / read-only", err}
		}
	}
	if o.Probe {
		found.Overlay = tryOverlay()
	}
	return nil
}

// tryOverlay mounts an overlay in the sandbox's /tmp and says why that fails.
func tryOverlay() string {
	var paths []any
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		path := "/tmp/overlay-" + name
		if err := os.Mkdir(path, 0o755); err != nil {
			return err.Error()
		}
		paths = append(paths, path)
	}
	options := fmt.Sprintf("userxattr,lowerdir=%s,upperdir=%s,workdir=%s", paths[:3]...)
	if err := unix.Mount("overlay", "/tmp/overlay-merged", "overlay", 0, options); err != nil {
		return err.Error()
	}
	return ""
}

// mountBase returns a directory that exists, to mount the new root on. Its content does not
// matter: sources are open before.
func mountBase() (string, error) {
	for _, dir := range []string{"/tmp", "/usr", "/var", "/proc"} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return "", errors.New("no directory to mount the new root on")
}

// hasMountSetattr reports whether the kernel (5.12) and a seccomp filter let us use it.
func hasMountSetattr() bool {
	err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{})
	return !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM)
}

// openSources opens what is to be bound, before anything is mounted over it.
func (b *builder) openSources(mounts []mount) error {
	for i, m := range mounts {
		if m.Op != opBind {
			continue
		}
		var fd int
		var err error
		if b.old {
			fd, err = unix.Open(m.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
		} else {
			fd, err = unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		}
		if m.Device && errors.Is(err, unix.ENOENT) {
			continue // a machine without /dev/tty
		}
		if err != nil {
			return &mountError{"open " + m.Source, err}
		}
		b.sources[i] = fd
	}
	return nil
}

// do carries out one step.
func (b *builder) do(i int, m mount) error {
	at := filepath.Join(b.base, m.Path)
	switch m.Op {
	case opTmpfs:
		if m.Point {
			if err := os.Mkdir(at, 0o755); err != nil {
				return err
			}
		}
		return unix.Mount("tmpfs", at, "tmpfs", safeFlags, fmt.Sprintf("mode=%o", m.Mode))
	case opDir:
		return os.Mkdir(at, os.FileMode(m.Mode))
	case opLink:
		return os.Symlink(m.Source, at)
	case opFile:
		return os.WriteFile(at, []byte(m.Source), os.FileMode(m.Mode))
	case opBind:
		return b.bind(i, m, at)
	case opProc:
		return b.proc(m, at)
	case opPts:
		return b.pts(m, at)
	case opReadOnly:
		return b.readOnly(at)
	}
	return fmt.Errorf("internal error: unknown step %q", m.Op)
}

// point makes the mount point where there is none.
func point(m mount, at string) error {
	if !m.Point {
		return nil
	}
	if m.File {
		return os.WriteFile(at, nil, 0o644)
	}
	return os.Mkdir(at, 0o755)
}

// bind attaches an opened source.
func (b *builder) bind(i int, m mount, at string) error {
	fd, ok := b.sources[i]
	if !ok {
		return nil
	}
	defer unix.Close(fd)
	if err := point(m, at); err != nil {
		return err
	}
	if b.old {
		return b.bindOld(fd, m, at)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID}
	if !m.Device {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	if !m.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	// Without AT_RECURSIVE what is mounted below the source would stay writable.
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return err
	}
	return unix.MoveMount(fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// bindOld is bind for kernels before 5.12: every mount below is changed one by one.
func (b *builder) bindOld(fd int, m mount, at string) error {
	source := fmt.Sprintf("/proc/self/fd/%d", fd)
	if err := unix.Mount(source, at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	flags := uintptr(unix.MS_NOSUID)
	if !m.Device {
		flags |= unix.MS_NODEV
	}
	if !m.Writable {
		flags |= unix.MS_RDONLY
	}
	below, err := mountsBelow(at)
	if err != nil {
		return err
	}
	for _, sub := range below {
		if err := unix.Mount("", sub.path, "", unix.MS_REMOUNT|unix.MS_BIND|flags|sub.flags, ""); err != nil {
			if errors.Is(err, unix.EACCES) && sub.path != at {
				continue // below a directory that we may not enter, and so may nobody inside
			}
			return fmt.Errorf("change %s: %w", sub.path, err)
		}
	}
	return nil
}

// readOnly makes one mount read-only, not those below it.
func (b *builder) readOnly(at string) error {
	if b.old {
		return unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|safeFlags, "")
	}
	return unix.MountSetattr(unix.AT_FDCWD, at, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// protectedProc are the parts of /proc through which root (of the host: it owns them, and needs
// no capability) could change the machine.
var protectedProc = []string{"sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"}

// hiddenProc are files of /proc that tell root of the host about the machine's memory and keys.
var hiddenProc = []string{"kcore", "kmsg", "keys", "timer_list", "sched_debug", "kpageflags", "kpagecount", "kpagecgroup"}

// proc mounts /proc. In a container whose own /proc is masked the kernel refuses that; then the
// container's is shown, read-only: other processes are seen there but cannot be touched.
func (b *builder) proc(m mount, at string) error {
	if err := point(m, at); err != nil {
		return err
	}
	err := unix.Mount("proc", at, "proc", safeFlags|unix.MS_NOEXEC, "")
	if errors.Is(err, unix.EPERM) {
		b.found.SharedProc = true
		if unix.Mount("/proc", at, "", unix.MS_BIND|unix.MS_REC, "") != nil {
			return err
		}
		if b.old {
			return unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|safeFlags|unix.MS_NOEXEC, "")
		}
		return unix.MountSetattr(unix.AT_FDCWD, at, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	if err != nil || !ownedByRoot(at) {
		return err
	}
	return b.protectProc(at)
}

// ownedByRoot reports whether the files of the host's root are this process's own.
func ownedByRoot(proc string) bool {
	var st unix.Stat_t
	err := unix.Stat(filepath.Join(proc, "sys"), &st)
	return err != nil || int(st.Uid) == os.Getuid()
}

// protectProc makes read-only or hides what only root of the host could misuse.
func (b *builder) protectProc(at string) error {
	for _, name := range protectedProc {
		full := filepath.Join(at, name)
		if err := unix.Mount(full, full, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			if errors.Is(err, unix.ENOENT) {
				continue
			}
			return err
		}
		if err := unix.Mount("", full, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|safeFlags|unix.MS_NOEXEC, ""); err != nil {
			return err
		}
	}
	for _, name := range hiddenProc {
		if err := b.bindReadOnly("/dev/null", filepath.Join(at, name)); err != nil {
			return fmt.Errorf("hide %s: %w", name, err)
		}
	}
	return nil
}

// bindReadOnly shows a device of the host, which cannot be changed there, at a place that exists
// or else is left out.
func (b *builder) bindReadOnly(source, at string) error {
	err := unix.Mount(source, at, "", unix.MS_BIND, "")
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	if !b.old {
		return b.readOnly(at)
	}
	below, err := mountsBelow(at)
	if err != nil {
		return err
	}
	for _, m := range below {
		if err := unix.Mount("", m.path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|m.flags, ""); err != nil {
			return err
		}
	}
	return nil
}

// pts mounts terminals of the sandbox's own.
func (b *builder) pts(m mount, at string) error {
	if err := point(m, at); err != nil {
		return err
	}
	return unix.Mount("devpts", at, "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
}

// enter makes the tree at base the root and lets go of the old one.
func (b *builder) enter() error {
	if err := unix.Chdir(b.base); err != nil {
		return &mountError{"enter the new root", err}
	}
	err := unix.PivotRoot(".", ".")
	if errors.Is(err, unix.EINVAL) { // the old root is the kernel's first one (an initramfs), which cannot be exchanged
		if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
			return &mountError{"move the new root", err}
		}
		return unix.Chroot(".")
	}
	if err != nil {
		return &mountError{"change the root", err}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return &mountError{"leave the old root", err}
	}
	return unix.Chdir("/")
}

// existing is a mount and those of its flags that a remount has to repeat.
type existing struct {
	path  string
	flags uintptr
}

// mountsBelow lists the mounts at and below a path.
func mountsBelow(at string) ([]existing, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var list []existing
	for scan := bufio.NewScanner(file); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 6 {
			continue
		}
		name := unescape(fields[4])
		if name == at || strings.HasPrefix(name, at+"/") {
			list = append(list, existing{name, keptFlags(fields[5])})
		}
	}
	return list, nil
}

// unescape undoes mountinfo's octal escapes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// keptFlags are the options that a user namespace may not take away.
func keptFlags(options string) uintptr {
	var flags uintptr
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "ro":
			flags |= unix.MS_RDONLY
		case "nosuid":
			flags |= unix.MS_NOSUID
		case "nodev":
			flags |= unix.MS_NODEV
		case "noexec":
			flags |= unix.MS_NOEXEC
		case "noatime":
			flags |= unix.MS_NOATIME
		case "nodiratime":
			flags |= unix.MS_NODIRATIME
		case "relatime":
			flags |= unix.MS_RELATIME
		}
	}
	return flags
}
