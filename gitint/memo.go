package gitint

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/git-bst/git-bst/internal/digest"
	"github.com/git-bst/git-bst/internal/fsx"
)

// The memo maps git object ids to digests. On disk it is two files of equal records:
//
//	memo-1.sorted   a 16-byte header, then records sorted by key, each key once
//	memo-1.log      records in the order in which they were learned, appended in batches
//
// A record is 80 bytes:
//
//	 0  key     object id, padded with zeros to 32 bytes; then its kind, one byte
//	33  flags   one byte
//	34  value   SHA-256, 32 bytes
//	66  size    8 bytes, big-endian
//	74  padding 2 bytes, zero
//	76  crc     CRC-32C of the 76 bytes before, big-endian
//
// The sorted file is mapped and only replaced by rename. Appending is one write under a shared
// lock; who finds the log long merges it under the exclusive one. A record whose sum is wrong is
// a miss, so damage costs time and is never believed. Another version has other file names.
const (
	memoHeader     = "git-bst memo 1\n\n"
	memoRecord     = 80
	memoSorted     = "memo-1.sorted"
	memoLog        = "memo-1.log"
	memoLock       = "memo-1.lock"
	memoMergeBytes = 1 << 20 // reading a log of this length takes 1-2 ms at every start
)

// memoKind says what an entry's key is and how its value was made. A change of how values are
// made takes a new letter.
type memoKind byte

const (
	kindBlob   memoKind = 'b' // the bytes of the blob
	kindTree   memoKind = 't' // canonical directory of a tree without submodules
	kindStaged memoKind = 's' // list of what staging a root tree changes, see staged.go
	kindCommit memoKind = 'c' // the commit's tree, see head.go
	kindSHA256 memoKind = 0x80
)

// memoFlags are facts about a tree and all that is below it.
type memoFlags byte

const flagAttributes memoFlags = 1 // some .gitattributes says that checkout changes bytes

type memoKey [33]byte

type memoValue struct {
	digest digest.Digest
	flags  memoFlags
}

// memo is one process's view of the files. It is safe for concurrent use.
type memo struct {
	dir    string
	sorted []byte             // mapped; without the header
	logged map[memoKey][]byte // records of the log, sums unchecked; never changed

	mu      sync.RWMutex
	recent  map[memoKey]memoValue // what this process learned
	pending []byte                // records not yet appended
}

// openMemo reads the memo in dir. Whatever cannot be read is as if it were not there; dir == ""
// is a memo that is never written.
func openMemo(dir string) *memo {
	m := &memo{dir: dir, recent: map[memoKey]memoValue{}, logged: map[memoKey][]byte{}}
	if dir == "" {
		return m
	}
	m.sorted = mapRecords(filepath.Join(dir, memoSorted))
	if log, err := os.ReadFile(filepath.Join(dir, memoLog)); err == nil {
		for ; len(log) >= memoRecord; log = log[memoRecord:] {
			m.logged[memoKey(log)] = log[:memoRecord]
		}
	}
	return m
}

// mapRecords maps the sorted file. The mapping lasts as long as the process: other goroutines
// may be reading it.
func mapRecords(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= int64(len(memoHeader)) {
		return nil
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	if !bytes.HasPrefix(data, []byte(memoHeader)) {
		_ = unix.Munmap(data)
		return nil
	}
	data = data[len(memoHeader):]
	return data[:len(data)-len(data)%memoRecord]
}

// eachRecord calls visit for every whole record with a right sum.
func eachRecord(data []byte, visit func(memoKey, memoValue, []byte)) {
	for ; len(data) >= memoRecord; data = data[memoRecord:] {
		if key, value, ok := parseRecord(data[:memoRecord]); ok {
			visit(key, value, data[:memoRecord])
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func parseRecord(record []byte) (key memoKey, value memoValue, ok bool) {
	if crc32.Checksum(record[:76], castagnoli) != binary.BigEndian.Uint32(record[76:]) {
		return key, value, false
	}
	copy(key[:], record)
	d, err := digest.New(hex.EncodeToString(record[34:66]), int64(binary.BigEndian.Uint64(record[66:])))
	return key, memoValue{digest: d, flags: memoFlags(record[33])}, err == nil
}

func appendRecord(dst []byte, key memoKey, value memoValue) []byte {
	start := len(dst)
	dst = append(dst, key[:]...)
	dst = append(dst, byte(value.flags))
	hash, err := hex.DecodeString(value.digest.Hash())
	if err != nil || len(hash) != 32 {
		panic("internal error: memo value without a digest")
	}
	dst = append(dst, hash...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(value.digest.Size()))
	dst = append(dst, 0, 0)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// makeKey returns the key of an object id in hex; false for what is no object id.
func makeKey(kind memoKind, oid string) (key memoKey, ok bool) {
	n, err := hex.Decode(key[:32], []byte(oid[:min(len(oid), 64)]))
	if err != nil || len(oid) != 40 && len(oid) != 64 {
		return key, false
	}
	if n == 32 {
		kind |= kindSHA256
	}
	key[32] = byte(kind)
	return key, true
}

// get returns what is known of the object.
func (m *memo) get(kind memoKind, oid string) (memoValue, bool) {
	key, ok := makeKey(kind, oid)
	if !ok {
		return memoValue{}, false
	}
	m.mu.RLock()
	value, ok := m.recent[key]
	m.mu.RUnlock()
	if ok {
		return value, true
	}
	if record, logged := m.logged[key]; logged {
		if _, value, ok = parseRecord(record); ok {
			return value, true
		}
	}
	return m.search(key)
}

// search looks in the sorted file.
func (m *memo) search(key memoKey) (memoValue, bool) {
	low, high := 0, len(m.sorted)/memoRecord
	for low < high {
		middle := int(uint(low+high) >> 1)
		record := m.sorted[middle*memoRecord:][:memoRecord]
		switch order := bytes.Compare(record[:len(key)], key[:]); {
		case order == 0:
			_, value, ok := parseRecord(record)
			return value, ok
		case order < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return memoValue{}, false
}

// put adds an entry that the caller has proved; flush makes it last.
func (m *memo) put(kind memoKind, oid string, value memoValue) {
	key, ok := makeKey(kind, oid)
	if !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, known := m.recent[key]; known && old == value {
		return
	}
	m.recent[key] = value
	m.pending = appendRecord(m.pending, key, value)
}

// flush appends what was put to the log, for other processes, and merges a long log. A memo that
// cannot be written (read-only folder, full disk) only costs time later: no error.
func (m *memo) flush(ctx context.Context) {
	m.mu.Lock()
	batch := m.pending
	m.pending = nil
	m.mu.Unlock()
	if len(batch) == 0 || m.dir == "" {
		return
	}
	length, err := m.appendLog(ctx, batch)
	if err == nil && length > memoMergeBytes {
		_ = m.merge()
	}
}

func (m *memo) appendLog(ctx context.Context, batch []byte) (int64, error) {
	if err := os.MkdirAll(m.dir, 0o777); err != nil {
		return 0, err
	}
	unlock, err := fsx.RLock(ctx, filepath.Join(m.dir, memoLock))
	if err != nil {
		return 0, err
	}
	defer unlock()
	f, err := os.OpenFile(filepath.Join(m.dir, memoLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Write(batch); err != nil {
		// Part of a record would put all later ones out of step; without a log they are misses.
		return 0, errors.Join(err, f.Truncate(0))
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size()%memoRecord != 0 {
		return 0, f.Truncate(0) // someone was killed while writing
	}
	return info.Size(), nil
}

// merge writes the sorted file anew with the log's records in it and empties the log. When
// someone else is at it, there is nothing to do.
func (m *memo) merge() error {
	unlock, err := fsx.TryLock(filepath.Join(m.dir, memoLock))
	if err != nil {
		return err
	}
	defer unlock()
	log, err := os.OpenFile(filepath.Join(m.dir, memoLog), os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	fresh, err := io.ReadAll(log)
	if err != nil {
		return err
	}
	old := mapRecords(filepath.Join(m.dir, memoSorted))
	records := map[memoKey][]byte{}
	collect := func(key memoKey, _ memoValue, record []byte) { records[key] = record }
	eachRecord(old, collect)
	eachRecord(fresh, collect)
	if err := fsx.WriteFile(filepath.Join(m.dir, memoSorted), sortRecords(records), 0o666); err != nil {
		return fmt.Errorf("write memo: %w", err)
	}
	return log.Truncate(0)
}

func sortRecords(records map[memoKey][]byte) []byte {
	keys := make([]memoKey, 0, len(records))
	for key := range records {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b memoKey) int { return bytes.Compare(a[:], b[:]) })
	out := make([]byte, 0, len(memoHeader)+len(keys)*memoRecord)
	out = append(out, memoHeader...)
	for _, key := range keys {
		out = append(out, records[key]...)
	}
	return out
}

// find returns the object ids of the blobs with these digests. It reads the whole memo.
func (m *memo) find(want map[digest.Digest]bool) []string {
	found := map[string]bool{}
	collect := func(key memoKey, value memoValue) {
		if kind := memoKind(key[32]); kind&^kindSHA256 == kindBlob && want[value.digest] {
			length := 20
			if kind&kindSHA256 != 0 {
				length = 32
			}
			found[hex.EncodeToString(key[:length])] = true
		}
	}
	m.mu.RLock()
	for key, value := range m.recent {
		collect(key, value)
	}
	m.mu.RUnlock()
	for _, record := range m.logged {
		if key, value, ok := parseRecord(record); ok {
			collect(key, value)
		}
	}
	eachRecord(m.sorted, func(key memoKey, value memoValue, _ []byte) { collect(key, value) })
	return slices.Sorted(maps.Keys(found))
}
