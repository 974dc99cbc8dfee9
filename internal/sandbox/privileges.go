package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// dropPrivileges gives up everything that the command does not need, for good. Privileges are a
// thread's: the calling one must be locked and be the one that starts the command. The init's
// other threads keep theirs within the namespace; what keeps the command away from them is that
// the init is not dumpable, and so can be neither traced nor read.
func dropPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("protect the init: %w", err)
	}
	for last := uintptr(0); last < 64; last++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, last, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
			break // beyond the kernel's last one; or, within bubblewrap, nothing is left to drop
		}
		if err != nil {
			return fmt.Errorf("drop bounding set: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// ownKeyring leaves the user's session keyring, with which the command could read and use the
// user's keys, for a new one without a name. It is a thread's, as privileges are. Where the kernel
// has no keyrings, or a filter that is inherited forbids them, there is nothing to leave.
func ownKeyring() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// ownNull replaces standard files that are the host's /dev/null by the sandbox's, whose mount is
// read-only: by the file's descriptor, too, its mode can be changed.
func ownNull() error {
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) {
			continue
		}
		null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		err = unix.Dup3(null, fd, 0)
		_ = unix.Close(null)
		if err != nil {
			return err
		}
	}
	return nil
}
