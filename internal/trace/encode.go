package trace

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

const header = "git-bst trace 1\n"

// Limits of what is decoded, and so of what is encoded: hostile bytes must not fill the memory.
const (
	maxPaths     = 4_000_000 // all phases together; a tree of 50 000 files and three phases needs 150 000
	maxPathBytes = 128 << 20 // of all names together: each may share all but one byte with the one before
	maxName      = 4095      // bytes of one path: PATH_MAX less the NUL
	maxPhases    = 64
	maxGaps      = 64
	maxWord      = 255 // bytes of the name of a phase or gap
)

// Encode returns the canonical form of a trace, which Decode reads:
//
//	"git-bst trace 1\n"
//	uvarint   number of gaps, then each as a word, sorted
//	uvarint   number of phases, then each:
//	  word      its name
//	  uvarint   the sum of 1 if it ended and 2 if it was told to end
//	  uvarint   number of paths, then each, sorted by the bytes of the name:
//	    uvarint   how many bytes the name shares with the beginning of the one before (0 for the first)
//	    uvarint   number of the further bytes
//	    bytes     these
//	    uvarint   uses: the sum of 1 opened, 2 listed, 4 written, 8 attributes, 16 created,
//	              32 deleted, 64 moved, 128 linked, 256 late; not 0
//	    uvarint   opens
//
// where a word is a uvarint number of bytes and these, and uvarint is that of encoding/binary.
// ErrInvalid when t is not sorted or larger than Decode would take.
func Encode(t Trace) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	out := binary.AppendUvarint([]byte(header), uint64(len(t.Gaps)))
	for _, gap := range t.Gaps {
		out = appendWord(out, string(gap))
	}
	out = binary.AppendUvarint(out, uint64(len(t.Phases)))
	for _, p := range t.Phases {
		out = appendPhase(out, p)
	}
	return out, nil
}

func appendWord(out []byte, word string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(word))), word...)
}

func appendPhase(out []byte, p Phase) []byte {
	out = appendWord(out, p.Name)
	end := uint64(0)
	if p.Ended {
		end = 1
	}
	if p.Told {
		end |= 2
	}
	out = binary.AppendUvarint(out, end)
	out = binary.AppendUvarint(out, uint64(len(p.Paths)))
	last := ""
	for _, path := range p.Paths {
		shared := 0
		for shared < len(path.Name) && shared < len(last) && path.Name[shared] == last[shared] {
			shared++
		}
		out = binary.AppendUvarint(out, uint64(shared))
		out = appendWord(out, path.Name[shared:])
		out = binary.AppendUvarint(out, uint64(path.Uses))
		out = binary.AppendUvarint(out, uint64(path.Opens))
		last = path.Name
	}
	return out
}

// Decode reads what Encode wrote; anything else is ErrInvalid. The bytes may come from anywhere.
func Decode(data []byte) (Trace, error) {
	rest, ok := strings.CutPrefix(string(data), header)
	if !ok {
		return Trace{}, fmt.Errorf("%w: does not begin with %q", ErrInvalid, header)
	}
	r := &reader{in: rest}
	var t Trace
	for range r.count(maxGaps) {
		t.Gaps = append(t.Gaps, Gap(r.word(maxWord)))
	}
	for range r.count(maxPhases) {
		t.Phases = append(t.Phases, r.phase())
	}
	if r.err == nil && len(r.in) > 0 {
		r.fail("bytes after the end")
	}
	if r.err != nil {
		return Trace{}, r.err
	}
	if err := t.check(); err != nil {
		return Trace{}, err
	}
	return t, nil
}

// reader takes a trace apart; after an error everything it returns is zero.
type reader struct {
	in          string
	paths, size int // so far
	err         error
}

func (r *reader) fail(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrInvalid, why)
	}
	r.in = ""
}

// number reads a number of at most most, in its shortest form.
func (r *reader) number(most uint64) uint64 {
	var value uint64
	for i := 0; i < len(r.in) && i < binary.MaxVarintLen64; i++ {
		b := r.in[i]
		value |= uint64(b&0x7f) << (7 * i)
		if b >= 0x80 {
			continue
		}
		if (b == 0 && i > 0) || (i == binary.MaxVarintLen64-1 && b > 1) || value > most {
			break
		}
		r.in = r.in[i+1:]
		return value
	}
	r.fail("a number is cut off, too large or not in its shortest form")
	return 0
}

// count reads how many of something follow, each of which takes at least one byte.
func (r *reader) count(most int) int { return int(r.number(uint64(min(most, len(r.in))))) }

func (r *reader) word(most int) string {
	n := r.count(most)
	if n > len(r.in) {
		r.fail("a word is cut off")
	}
	if r.err != nil {
		return ""
	}
	word := r.in[:n]
	r.in = r.in[n:]
	return word
}

func (r *reader) phase() Phase {
	p := Phase{Name: r.word(maxWord)}
	end := r.number(3)
	p.Ended, p.Told = end&1 != 0, end&2 != 0
	last := ""
	n := r.count(maxPaths)
	p.Paths = make([]Path, 0, min(n, len(r.in)/4))
	for range n {
		shared := r.number(uint64(len(last)))
		rest := r.word(maxName)
		r.paths++
		if r.size += int(shared) + len(rest); r.size > maxPathBytes || r.paths > maxPaths {
			r.fail("more paths than a trace may hold")
		}
		if r.err != nil {
			return Phase{}
		}
		if int(shared) < len(last) && rest != "" && last[shared] == rest[0] {
			r.fail("a path shares more than it says")
		}
		last = last[:shared] + rest
		p.Paths = append(p.Paths, Path{last, Use(r.number(allUses)), uint32(r.number(1<<32 - 1))})
	}
	return p
}

// check is what holds for every trace, so that equal traces have equal bytes.
func (t Trace) check() error {
	if len(t.Gaps) > maxGaps || len(t.Phases) > maxPhases {
		return fmt.Errorf("%w: too many gaps or phases", ErrInvalid)
	}
	for i, gap := range t.Gaps {
		if !validWord(string(gap)) || i > 0 && t.Gaps[i-1] >= gap {
			return fmt.Errorf("%w: gap %q", ErrInvalid, gap)
		}
	}
	count, size := 0, 0
	for i, p := range t.Phases {
		again := slices.ContainsFunc(t.Phases[:i], func(q Phase) bool { return q.Name == p.Name })
		if !validWord(p.Name) || again {
			return fmt.Errorf("%w: phase %q", ErrInvalid, p.Name)
		}
		for j, path := range p.Paths {
			if !validPath(path.Name) || path.Uses == 0 || path.Uses > allUses || j > 0 && p.Paths[j-1].Name >= path.Name {
				return fmt.Errorf("%w: phase %s: path %q", ErrInvalid, p.Name, path.Name)
			}
			count, size = count+1, size+len(path.Name)
		}
	}
	if count > maxPaths || size > maxPathBytes {
		return fmt.Errorf("%w: more paths than a trace may hold", ErrInvalid)
	}
	return nil
}

// validWord admits the names of phases and gaps: printable ASCII without blanks.
func validWord(word string) bool {
	return word != "" && len(word) <= maxWord && !strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c > '~' })
}

// validPath admits "." and clean relative paths of any bytes that a file system may hold.
func validPath(path string) bool {
	if path == "." {
		return true
	}
	if len(path) > maxName || strings.IndexByte(path, 0) >= 0 {
		return false
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}
