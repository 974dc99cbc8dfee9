package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// firstKeyCall is the number of add_key, after which follow those of request_key and keyctl, for
// programs of this machine's own kind and for 32-bit ones.
var firstKeyCall = []struct{ arch, number uint32 }{
	{unix.AUDIT_ARCH_I386, 286},
	{unix.AUDIT_ARCH_ARM, 309},
	{0, unix.SYS_ADD_KEY}, // any other: our own
}

// x32 marks calls of amd64's ABI with short pointers, which has the same numbers.
const x32 = 0x40000000

// refuseKeys makes the system calls for keys fail as on a kernel without them. The session's
// keyring is not all: the user's own one may be read by whoever has the user's id, by a number
// that /proc/keys tells. It is for the calling thread and those that it starts, and needs
// no_new_privs. Where the kernel has no filters, the command can do what the user's others can.
func refuseKeys() error {
	filter := keyFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Without this flag old kernels would make the command slower.
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0} {
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
		if errno == 0 || errors.Is(errno, unix.ENOSYS) {
			return nil
		}
		if !errors.Is(errno, unix.EINVAL) {
			return fmt.Errorf("refuse keyrings: %w", errno)
		}
	}
	return nil
}

// keyFilter is what the kernel runs before each system call.
func keyFilter() []unix.SockFilter {
	const arch, number = 4, 0 // where they are in what it is given
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	answer := func(value uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
	}
	var filter []unix.SockFilter
	for _, call := range firstKeyCall {
		filter = append(filter, load(arch))
		if call.arch != 0 { // another: go on with the next
			filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call.arch, Jf: 6})
		}
		filter = append(filter, load(number),
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: ^uint32(x32)},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: call.number, Jf: 2},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: call.number + 2, Jt: 1},
			answer(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)),
			answer(unix.SECCOMP_RET_ALLOW))
	}
	return filter
}
