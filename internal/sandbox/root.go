package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// hostFolders are the host's top folders that a HostRoot shows, where they exist: the file
// hierarchy's homes of programs, and the stores of Nix and Guix into which their links lead.
var hostFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/libx32", "/lib64", "/opt", "/nix/store", "/gnu/store"}

// etcNames are the names in /etc that a HostRoot shows, where they exist: what dynamic linkers,
// compilers, interpreters and their wrappers read. It is a list of what is shown rather than
// of what is hidden as a build by root owns root's secrets, capabilities or not, and as
// what is not shown cannot make two hosts' results differ. Fingerprint looks at the same names.
var etcNames = []string{
	"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld-musl-x86_64.path", "ld-musl-aarch64.path",
	"alternatives", "os-release", "debian_version", "lsb-release", "redhat-release", "fedora-release",
	"system-release", "alpine-release", "arch-release", "SuSE-release", "gentoo-release",
	"protocols", "services", "rpc", "ethertypes", "mime.types", "magic", "shells", "terminfo", "locale.conf", "locale.alias", "papersize",
	"ssl/certs", "ssl/openssl.cnf", "ca-certificates", "pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf", "pki/ca-trust/extracted", "pki/java", "crypto-policies",
	".java", "java", "java-8-openjdk", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "java-25-openjdk", "jvm", "maven", "ant.conf", "ant.d", "gradle",
	"perl", "python", "python2.7", "python3", "python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14", "php", "ruby", "lua", "ghc", "R", "octave.conf", "emacs",
	"dpkg", "rpm", "debhelper", "makepkg.conf", "portage", "clang", "gdb", "valgrind",
	"fonts", "xml", "sgml", "texmf", "groff", "ghostscript", "ImageMagick-6", "ImageMagick-7", "gtk-2.0", "gtk-3.0", "glvnd", "OpenCL", "vulkan", "openmpi", "mpich",
}

// devices are the names in /dev that are the host's.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// prepared is a Spec turned into what an init is told.
type prepared struct {
	order order
	made  []string // mount points on the host, to be removed
}

// prepare decides all that can be decided outside.
func prepare(spec Spec) (prepared, error) {
	if err := check(spec); err != nil {
		return prepared{}, err
	}
	o := order{Kind: spec.Kind, Args: spec.Args, Env: spec.Env, Dir: orElse(spec.Dir, "/"),
		Hostname: orElse(spec.Hostname, DefaultHostname), TTY: spec.TTY != nil, RootWritable: spec.RootWritable}
	if spec.Kind == None {
		return prepared{order: o}, nil
	}
	l, err := arrange(spec)
	if err != nil {
		removeMade(l.made)
		return prepared{}, err
	}
	o.Mounts = l.mounts()
	return prepared{order: o, made: l.made}, nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// check finds mistakes of the caller.
func check(spec Spec) error {
	if len(spec.Args) == 0 || spec.Args[0] == "" {
		return fmt.Errorf("%w: no command", ErrInvalid)
	}
	if spec.UID < 0 || spec.GID < 0 {
		return fmt.Errorf("%w: user %d, group %d", ErrInvalid, spec.UID, spec.GID)
	}
	for _, s := range slices.Concat(spec.Args, spec.Env, []string{spec.Dir, spec.Hostname}) {
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("%w: NUL in %q", ErrInvalid, s)
		}
	}
	for _, b := range spec.Binds {
		if !filepath.IsAbs(b.Source) {
			return fmt.Errorf("%w: bind of %q: not absolute", ErrInvalid, b.Source)
		}
	}
	if spec.Dir != "" && !path.IsAbs(spec.Dir) {
		return fmt.Errorf("%w: working directory %q: not absolute", ErrInvalid, spec.Dir)
	}
	if spec.Kind == None {
		return checkNone(spec)
	}
	return nil
}

// checkNone refuses what cannot be had without a sandbox, rather than to run something else.
func checkNone(spec Spec) error {
	if _, ok := spec.Root.(DirRoot); ok {
		return fmt.Errorf("%w: without a sandbox there is no other root than the host's", ErrInvalid)
	}
	for _, b := range spec.Binds {
		if b.Source != b.Target {
			return fmt.Errorf("%w: without a sandbox %s cannot be at %s", ErrInvalid, b.Source, b.Target)
		}
	}
	return nil
}

// arrange lays out root, devices, temporary folders and binds.
func arrange(spec Spec) (*layout, error) {
	l := &layout{root: newDir()}
	switch root := spec.Root.(type) {
	case nil:
		if err := l.hostRoot(HostRoot{}, spec); err != nil {
			return l, err
		}
	case HostRoot:
		if err := l.hostRoot(root, spec); err != nil {
			return l, err
		}
	case DirRoot:
		n, err := newHost(root.Path, spec.RootWritable)
		if err != nil {
			return l, fmt.Errorf("open root: %w", err)
		}
		if n.file || !filepath.IsAbs(root.Path) {
			return l, fmt.Errorf("%w: root %q is no absolute path of a directory", ErrInvalid, root.Path)
		}
		l.root = n
	}
	if err := l.system(spec); err != nil {
		return l, err
	}
	binds := slices.Clone(spec.Binds)
	slices.SortStableFunc(binds, func(a, b Bind) int { return strings.Compare(a.Target, b.Target) })
	for _, b := range binds {
		if err := l.bind(b.Source, b.Target, b.Writable); err != nil {
			return l, err
		}
	}
	if spec.Kind != Bubblewrap {
		return l, nil
	}
	self, err := os.Executable()
	if err != nil {
		return l, fmt.Errorf("find our own program: %w", err)
	}
	return l, l.bind(self, initPath, false)
}

// system places /proc, /dev, /tmp and /dev/shm.
func (l *layout) system(spec Spec) error {
	dev := newTmpfs(0o755)
	// Read-only mounts: data is written to a device all the same, but its mode and owner, which
	// are the host's, cannot be changed by a build that runs as root.
	for _, name := range devices {
		dev.children[name] = &node{kind: hostPath, source: "/dev/" + name, device: true, file: true}
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
		"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		dev.children[name] = &node{kind: linkNode, source: target}
	}
	dev.children["pts"] = &node{kind: ptsNode}
	shm, err := temporary(spec.ShmDir)
	if err != nil {
		return fmt.Errorf("bind /dev/shm: %w", err)
	}
	dev.children["shm"] = shm
	tmp, err := temporary(spec.TmpDir)
	if err != nil {
		return fmt.Errorf("bind /tmp: %w", err)
	}
	return errors.Join(l.place("/proc", &node{kind: procNode}), l.place("/dev", dev), l.place("/tmp", tmp))
}

// temporary is a folder for everybody: the host's dir, or a fresh one.
func temporary(dir string) (*node, error) {
	if dir == "" {
		return newTmpfs(0o1777), nil
	}
	return newHost(dir, true)
}

// hostRoot lays out the host's folders and /etc on a fresh root.
func (l *layout) hostRoot(root HostRoot, spec Spec) error {
	for _, name := range hostFolders {
		if err := l.show(name); err != nil {
			return err
		}
	}
	etc := newDir()
	l.root.children["etc"] = etc
	for _, name := range etcNames {
		if err := l.show("/etc/" + name); err != nil {
			return err
		}
	}
	for name, content := range madeUp(spec) {
		etc.children[name] = &node{kind: fileNode, source: content, mode: 0o644}
	}
	etc.children["mtab"] = &node{kind: linkNode, source: "/proc/self/mounts"}
	for _, extra := range root.Extra {
		if err := l.bind(extra, extra, false); err != nil {
			return err
		}
	}
	return nil
}

// show makes a path of the host visible, read-only: a symlink as one, nothing if there is nothing.
func (l *layout) show(name string) error {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("show %s: %w", name, err)
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return l.bind(name, name, false)
	}
	target, err := os.Readlink(name)
	if err != nil {
		return fmt.Errorf("show %s: %w", name, err)
	}
	return l.place(name, &node{kind: linkNode, source: target})
}

// madeUp are the files of /etc that are the same on every host.
func madeUp(spec Spec) map[string]string {
	passwd := "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
	group := "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"
	if spec.UID != 0 && spec.UID != 65534 {
		passwd += fmt.Sprintf("build:x:%d:%d:build:/tmp:/bin/sh\n", spec.UID, spec.GID)
	}
	if spec.GID != 0 && spec.GID != 5 && spec.GID != 65534 {
		group += fmt.Sprintf("build:x:%d:\n", spec.GID)
	}
	name := orElse(spec.Hostname, DefaultHostname)
	return map[string]string{
		"passwd":        passwd,
		"group":         group,
		"hosts":         "127.0.0.1 localhost " + name + "\n::1 localhost\n",
		"hostname":      name + "\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n",
	}
}

// removeMade removes mount points that were made on the host, where they are still empty.
func removeMade(made []string) {
	for _, point := range slices.Backward(made) {
		if info, err := os.Lstat(point); err == nil && (info.IsDir() || info.Size() == 0) {
			_ = os.Remove(point)
		}
	}
}
