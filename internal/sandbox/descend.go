package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// killDescendants sends a signal to all processes below this one, which is their reaper. Where
// there is no PID namespace this is the way to reach those that left their process group. One
// pass can miss a process born meanwhile: with KILL it is repeated as each death is seen.
func killDescendants(s syscall.Signal) {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			if parent, ok := parentOf(pid); ok {
				children[parent] = append(children[parent], pid)
			}
		}
	}
	for todo := children[os.Getpid()]; len(todo) > 0; todo = todo[1:] {
		_ = syscall.Kill(todo[0], s)
		todo = append(todo, children[todo[0]]...)
	}
}

// parentOf reads the parent of a process from its stat file: "pid (name) state parent …", where
// the name may hold anything.
func parentOf(pid int) (int, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}
