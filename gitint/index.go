package gitint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// indexEntry is one entry of git's index. It is good while it is visited.
type indexEntry struct {
	mode uint32
	stat []byte // times, device, inode, owner and size as git wrote them
	oid  []byte
	name []byte
	left bool // git is told not to look at the file (assume-unchanged or skip-worktree)
}

func (e indexEntry) gitlink() bool { return e.mode&0o170000 == 0o160000 }

// mtime is the file's modification time in nanoseconds.
func (e indexEntry) mtime() int64 {
	return int64(binary.BigEndian.Uint32(e.stat[8:]))*1e9 + int64(binary.BigEndian.Uint32(e.stat[12:]))
}

// errIndexForm: only git can read this index.
var errIndexForm = errors.New("index of an unusual form")

const (
	indexHeaderBytes = 12 // signature, version, number of entries
	indexStatBytes   = 40 // before the object id; the mode is at 24
	indexModeAt      = 24
	indexNameMask    = 0xfff
	indexExtended    = 0x4000
	indexAssumeValid = 0x8000
	indexSkipTree    = 0x4000 // of the extended flags
)

// eachIndexEntry calls visit for the entries of an index in their order. An index that is split
// or sparse, or that says where entries are (git would follow that, not their order), is
// errIndexForm, as is what git would not read.
func eachIndexEntry(data []byte, oidBytes int, visit func(indexEntry)) error {
	if len(data) < indexHeaderBytes+oidBytes || string(data[:4]) != "DIRC" || bytes.Contains(data, []byte("IEOT")) || bytes.Contains(data, []byte("EOIE")) {
		return errIndexForm
	}
	version, count := binary.BigEndian.Uint32(data[4:]), binary.BigEndian.Uint32(data[8:])
	if version < 2 || version > 4 {
		return errIndexForm
	}
	body := data[:len(data)-oidBytes]
	at, previous := indexHeaderBytes, []byte(nil)
	for range count {
		e, next, ok := readIndexEntry(body, at, oidBytes, version, previous)
		if !ok {
			return errIndexForm
		}
		visit(e)
		at, previous = next, e.name
	}
	for ; at+8 <= len(body); at += 8 + int(binary.BigEndian.Uint32(body[at+4:])) {
		if c := body[at]; c < 'A' || c > 'Z' { // needed to understand the index
			return errIndexForm
		}
	}
	return nil
}

// readIndexEntry reads the entry at an offset and returns where the next one is.
func readIndexEntry(body []byte, at, oidBytes int, version uint32, previous []byte) (e indexEntry, next int, ok bool) {
	start, fixed := at, indexStatBytes+oidBytes+2
	if len(body)-at < fixed+2 {
		return e, 0, false
	}
	e.stat, e.oid = body[at:at+indexStatBytes], body[at+indexStatBytes:at+indexStatBytes+oidBytes]
	e.mode = binary.BigEndian.Uint32(e.stat[indexModeAt:])
	flags := binary.BigEndian.Uint16(body[at+fixed-2:])
	e.left = flags&indexAssumeValid != 0
	at += fixed
	if flags&indexExtended != 0 {
		e.left = e.left || binary.BigEndian.Uint16(body[at:])&indexSkipTree != 0
		at += 2
	}
	length := int(flags & indexNameMask)
	if version == 4 {
		strip, n := indexVarint(body[at:])
		at += n
		end := bytes.IndexByte(body[at:], 0)
		if n == 0 || strip > len(previous) || end < 0 {
			return e, 0, false
		}
		e.name = append(previous[:len(previous)-strip], body[at:at+end]...)
		next = at + end + 1
		return e, next, length == min(len(e.name), indexNameMask)
	}
	if length == indexNameMask {
		length = max(bytes.IndexByte(body[at:], 0), 0)
	}
	next = start + (at-start+length+8)/8*8
	if next > len(body) || bytes.IndexByte(body[at:next], 0) != length {
		return e, 0, false
	}
	e.name = body[at : at+length]
	return e, next, true
}

// indexVarint reads git's number of variable length; n is 0 for none.
func indexVarint(data []byte) (value, n int) {
	for n < len(data) && n < 4 {
		c := int(data[n])
		n++
		value = value<<7 | c&0x7f
		if c&0x80 == 0 {
			return value, n
		}
		value++
	}
	return 0, 0
}

// eachFileEntry is eachIndexEntry of a file; one that does not exist has none.
func eachFileEntry(path string, oidBytes int, visit func(indexEntry)) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	if info.Size() == 0 {
		return errIndexForm
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	defer unix.Munmap(data)
	return eachIndexEntry(data, oidBytes, visit)
}
