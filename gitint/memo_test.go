package gitint

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pjbgf/sha1cd"

	"github.com/git-bst/git-bst/internal/digest"
)

func oidOf(i int) string {
	sum := sha1.Sum(fmt.Append(nil, i))
	return hex.EncodeToString(sum[:])
}

func valueOf(i int) memoValue {
	return memoValue{digest: digest.Of(fmt.Append(nil, i)), flags: memoFlags(i % 2)}
}

func fill(t testing.TB, dir string, from, to int) {
	t.Helper()
	m := openMemo(dir)
	for i := from; i < to; i++ {
		m.put(kindTree, oidOf(i), valueOf(i))
	}
	m.flush(context.Background())
}

// found counts what a new process would know of the first n entries; a wrong value is an error.
func found(t testing.TB, dir string, n int) (count int) {
	t.Helper()
	m := openMemo(dir)
	for i := range n {
		value, ok := m.get(kindTree, oidOf(i))
		if ok && value != valueOf(i) {
			t.Errorf("entry %d = %v", i, value)
		}
		if ok {
			count++
		}
		if _, ok := m.get(kindBlob, oidOf(i)); ok {
			t.Errorf("entry %d is known as a blob", i)
		}
	}
	return count
}

func TestMemoLasts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "memo")
	n := memoMergeBytes/memoRecord + 10 // so many are merged
	fill(t, dir, 0, n)
	fill(t, dir, n, n+5)
	if info, err := os.Stat(filepath.Join(dir, memoLog)); err != nil || info.Size() != 5*memoRecord {
		t.Errorf("log: %v, %v", info, err)
	}
	if got := found(t, dir, n+5); got != n+5 {
		t.Errorf("found %d of %d", got, n+5)
	}
	want := map[digest.Digest]bool{}
	for i := range 3 {
		want[valueOf(i).digest] = true
	}
	if got := openMemo(dir).find(want); len(got) != 0 {
		t.Errorf("find gives trees: %q", got)
	}
}

func TestMemoOfManyWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "memo")
	n := memoMergeBytes/memoRecord/8 + 100 // the last ones merge
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() { fill(t, dir, w*n, (w+1)*n) })
	}
	group.Wait()
	if got := found(t, dir, 8*n); got != 8*n {
		t.Errorf("found %d of %d", got, 8*n)
	}
}

// TestMemoDamage flips every byte in turn, and cuts files off: an entry is right or a miss.
func TestMemoDamage(t *testing.T) {
	sorted := map[memoKey][]byte{}
	for i := range 4 {
		key, _ := makeKey(kindTree, oidOf(i))
		sorted[key] = appendRecord(nil, key, valueOf(i))
	}
	good := sortRecords(sorted)
	var log []byte
	for i := 4; i < 8; i++ {
		key, _ := makeKey(kindTree, oidOf(i))
		log = appendRecord(log, key, valueOf(i))
	}
	for _, name := range []string{memoSorted, memoLog} {
		content := map[string][]byte{memoSorted: good, memoLog: log}[name]
		dir := t.TempDir()
		for i := range content {
			bad := append([]byte(nil), content...)
			bad[i] ^= 1
			if err := os.WriteFile(filepath.Join(dir, name), bad, 0o666); err != nil {
				t.Fatal(err)
			}
			if got := found(t, dir, 8); got > 4 {
				t.Errorf("%s, byte %d: found %d", name, i, got)
			}
			if err := os.WriteFile(filepath.Join(dir, name), content[:i], 0o666); err != nil {
				t.Fatal(err)
			}
			if got := found(t, dir, 8); got >= 4 {
				t.Errorf("%s, cut at %d: found %d", name, i, got)
			}
		}
	}
}

func TestMemoAfterTornWrite(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 0, 3)
	path := filepath.Join(dir, memoLog)
	if err := os.Truncate(path, 2*memoRecord+7); err != nil {
		t.Fatal(err)
	}
	fill(t, dir, 3, 4) // finds the log out of step and starts it again
	fill(t, dir, 4, 6)
	if got := found(t, dir, 6); got != 2 {
		t.Errorf("found %d, want the two written last", got)
	}
}

func TestObjectHashProves(t *testing.T) {
	const hello = "ce013625030ba8dba906f756967f9e9ca394464a" // git hash-object of "hello\n"
	sum := newObjectHash("blob", 6, 40)
	fmt.Fprint(sum, "hello\n")
	if err := sum.matches(hello); err != nil || sum.content.Sum() != digest.Of([]byte("hello\n")) {
		t.Errorf("%v, %v", err, sum.content.Sum())
	}
	other := newObjectHash("blob", 6, 40)
	fmt.Fprint(other, "hallo\n")
	if err := other.matches(hello); err == nil {
		t.Error("other content proves the same id")
	}
}

// attacked is a hash that has seen a collision attack.
type attacked struct{ hash.Hash }

func (attacked) CollisionResistantSum([]byte) ([]byte, bool) { return nil, true }

func TestCollisionIsRefused(t *testing.T) {
	sum := newObjectHash("blob", 0, 40)
	if _, detects := sum.git.(sha1cd.CollisionResistantHash); !detects {
		t.Error("SHA-1 is not the kind that detects attacks")
	}
	sum.git = attacked{sum.git}
	if err := sum.matches("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"); !errors.Is(err, errCollision) {
		t.Errorf("matches = %v", err)
	}
}

func BenchmarkMemoGet(b *testing.B) {
	dir := b.TempDir()
	fill(b, dir, 0, 80_000)
	m := openMemo(dir)
	for i := 0; b.Loop(); i++ {
		m.get(kindTree, oidOf(i%80_000))
	}
}
