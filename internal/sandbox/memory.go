package sandbox

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryWatch remembers the counters of processes that the kernel killed for want of memory.
type memoryWatch map[string]int64

// watchMemory reads the counters now: of our own control group (version 2 or 1), which limits
// containers and CI jobs, and of the whole machine.
func watchMemory() memoryWatch {
	watch := memoryWatch{}
	for _, file := range memoryFiles() {
		if n, ok := oomKills(file); ok {
			watch[file] = n
		}
	}
	return watch
}

// memoryFiles are the files that hold an "oom_kill" counter for this process.
func memoryFiles() []string {
	files := []string{"/proc/vmstat"}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return files
	}
	for line := range strings.SplitSeq(string(groups), "\n") {
		parts := strings.SplitN(line, ":", 3)
		switch {
		case len(parts) < 3:
		case parts[1] == "":
			for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
				files = append(files, filepath.Join(top, parts[2], "memory.events"))
			}
		case parts[1] == "memory":
			files = append(files, filepath.Join("/sys/fs/cgroup/memory", parts[2], "memory.oom_control"))
		}
	}
	return files
}

// oomKills reads the line "oom_kill N" of a file.
func oomKills(file string) (int64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for scan := bufio.NewScanner(bytes.NewReader(data)); scan.Scan(); {
		if text, found := strings.CutPrefix(scan.Text(), "oom_kill "); found {
			n, err := strconv.ParseInt(text, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// starved reports whether a failure may be the machine's (rule 31): a counter rose meanwhile, or
// the command (or, for a shell, its child) got a KILL that we did not send. It errs on the side of
// the machine: then a failure is not remembered, which costs time only.
func (w memoryWatch) starved(r Result, said report) bool {
	if r.Succeeded() || r.Interrupted || r.TimedOut || said.Killed {
		return false
	}
	if r.ExitCode == 128+int(unix.SIGKILL) {
		return true
	}
	for file, before := range w {
		if n, ok := oomKills(file); ok && n > before {
			return true
		}
	}
	return false
}
