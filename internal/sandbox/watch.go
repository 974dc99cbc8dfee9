package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/fsx"
)

// partSize is how many stats are compared as one: so few that two processors share the work.
const partSize = 2048

// watched is what is remembered of an area: its line, and the stats under which that holds.
// To look at it again takes one stat for each folder and file that could change unseen, where a
// walk would list and sort folders, too.
type watched struct {
	Path, How string
	Line      string
	Parts     []part
}

// part is what is remembered of some folders of an area.
type part struct {
	Sum    string // of the stats of what is in names
	Length int    // of names

	// names are the paths of folders and, after each, the names in it of the files that are
	// looked at. A NUL ends each. Only a path begins with a slash.
	names string
}

// watch is the memory of what was walked.
func (w *walker) watch(line string) watched {
	memory := watched{Path: w.area.path, How: w.area.how.name, Line: line}
	var names, record []byte
	sum, stats := sha256.New(), 0
	end := func() {
		memory.Parts = append(memory.Parts, part{hex.EncodeToString(sum.Sum(nil)), len(names), string(names)})
		names, stats = names[:0], 0
		sum.Reset()
	}
	for i := range w.entries {
		e := &w.entries[i]
		switch {
		case i == 0 || e.kind() == unix.S_IFDIR && !e.shut:
			if stats >= partSize {
				end()
			}
			names = append(append(names, e.path...), 0)
		case e.watch && e.kind() != unix.S_IFDIR:
			names = append(append(names, filepath.Base(e.path)...), 0)
		default:
			continue
		}
		stats++
		record = appendStat(record[:0], &e.stat)
		_, _ = sum.Write(record)
	}
	end()
	return memory
}

// appendStat appends all that changes when a file or the names in a folder do.
func appendStat(record []byte, st *unix.Stat_t) []byte {
	record = binary.LittleEndian.AppendUint32(record, st.Mode)
	record = binary.LittleEndian.AppendUint64(record, uint64(st.Size))
	record = binary.LittleEndian.AppendUint64(record, uint64(st.Mtim.Nano()))
	record = binary.LittleEndian.AppendUint64(record, uint64(st.Ctim.Nano()))
	return binary.LittleEndian.AppendUint64(record, st.Ino)
}

// holds reports whether everything still has the stat that it had.
func (p *part) holds() bool {
	sum, record, folder := sha256.New(), make([]byte, 0, 8192), ""
	at := -1
	defer func() { _ = unix.Close(at) }()
	var st unix.Stat_t
	for name := range strings.SplitSeq(strings.TrimSuffix(p.names, "\x00"), "\x00") {
		var err error
		if strings.HasPrefix(name, "/") {
			_ = unix.Close(at)
			at, folder = -1, name
			err = unix.Lstat(name, &st)
		} else {
			if at < 0 {
				at, err = unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
			}
			if err == nil {
				err = unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
			}
		}
		if err != nil {
			return false
		}
		if record = appendStat(record, &st); len(record) > 8000 {
			_, _ = sum.Write(record)
			record = record[:0]
		}
	}
	_, _ = sum.Write(record)
	return hex.EncodeToString(sum.Sum(nil)) == p.Sum
}

// readWatched reads the memory of areas by path and way of counting. A broken file is none.
func readWatched(file string) map[string]watched {
	list := map[string]watched{}
	if file == "" {
		return list
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return list
	}
	for len(data) > 0 {
		head, rest, _ := bytes.Cut(data, []byte("\n"))
		var w watched
		if json.Unmarshal(head, &w) != nil {
			break
		}
		data = w.fill(rest)
		if data == nil {
			break
		}
		list[w.key()] = w
	}
	return list
}

func (w *watched) key() string { return w.Path + "\x00" + w.How }

// fill takes the names of all parts from data and returns what is left, nil if there are fewer.
func (w *watched) fill(data []byte) []byte {
	for i := range w.Parts {
		p := &w.Parts[i]
		if p.Length < 0 || p.Length > len(data) {
			return nil
		}
		p.names, data = string(data[:p.Length]), data[p.Length:]
	}
	return data
}

// writeWatched writes the memory of areas. Where it cannot be written, time is lost.
func writeWatched(file string, list map[string]watched) {
	var out bytes.Buffer
	for _, w := range list {
		head, err := json.Marshal(w)
		if err != nil {
			return
		}
		out.Write(append(head, '\n'))
		for _, p := range w.Parts {
			out.WriteString(p.names)
		}
	}
	_ = fsx.WriteFile(file, out.Bytes(), 0o600)
}
