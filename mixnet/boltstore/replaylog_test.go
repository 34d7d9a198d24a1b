package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/topology"
)

func tagsFrom(first, n int) (tags []mixnode.ReplayTag) {
	for i := range n {
		tags = append(tags, mixnode.ReplayTag(binary.BigEndian.AppendUint64(nil, uint64(first+i))))
	}
	return tags
}

func loadTags(t *testing.T, l *ReplayLog) (tags []mixnode.ReplayTag) {
	t.Helper()
	must(t, l.Load(func(tag mixnode.ReplayTag) { tags = append(tags, tag) }))
	return tags
}

// testMachine is a machine in a boot of that number; zero: nobody knows which.
func testMachine(boot byte) *machine {
	return &machine{boot: func() bootID { return bootID{boot} }, local: func(string) bool { return true }}
}

// H18: tags are there after a restart, whether the log was closed or not.
func TestH18ReplayLog(t *testing.T) {
	for _, sync := range []ReplaySync{SyncEach, SyncAtEnd} {
		t.Run(fmt.Sprint("at end ", sync), func(t *testing.T) { testReplayLog(t, testMachine(1), sync) })
	}
}

func testReplayLog(t *testing.T, m *machine, sync ReplaySync) {
	dir := t.TempDir()
	key, other := keys.NewSphinxKey().Public(), keys.NewSphinxKey().Public()
	l, err := m.createReplayLog(dir, key, sync)
	must(t, err)
	var want []mixnode.ReplayTag
	for round, n := range []int{0, 1, 7, maxRecord, 2*maxRecord + 1} {
		if !l.Clean() || l.Waits() != (sync == SyncEach) {
			t.Fatalf("round %d: clean %t, waits %t", round, l.Clean(), l.Waits())
		}
		if got := loadTags(t, l); !slices.Equal(got, want) {
			t.Fatalf("round %d: %d tags, want %d", round, len(got), len(want))
		}
		for range 2 {
			tags := tagsFrom(len(want), n)
			must(t, l.Append(tags))
			want = append(want, tags...)
		}
		if round%2 == 0 {
			must(t, l.Close())
		} else {
			// A process that is killed closes nothing.
			b, err := os.ReadFile(l.path)
			must(t, err)
			defer l.Close()
			dir = t.TempDir()
			must(t, os.WriteFile(replayPath(dir, key), b, 0o600))
		}
		l, err = m.openReplayLog(dir, key)
		must(t, err)
	}
	if _, err := m.createReplayLog(dir, key, sync); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made a second log of one key: %v", err)
	}
	_, err = m.openReplayLog(dir, key)
	wantError(t, err, ErrInUse, "in use")
	second, err := m.createReplayLog(dir, other, sync) // beside the first
	must(t, err)
	if got := loadTags(t, second); len(got) != 0 {
		t.Errorf("%d tags in the log of another key", len(got))
	}
	must(t, second.Remove())
	must(t, l.Remove())
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left over: %v", entries)
	}
	wantError(t, l.Append(tagsFrom(0, 1)), fs.ErrClosed)
	wantError(t, l.Load(func(mixnode.ReplayTag) {}), fs.ErrClosed)
}

// H18: "After an unclean end that may have lost some, the node takes a new
// Sphinx key and refuses the old."
func TestH18UncleanReplayLog(t *testing.T) {
	dir := t.TempDir()
	key := keys.NewSphinxKey().Public()
	l, err := CreateReplayLog(dir, key, SyncEach)
	must(t, err)
	for i := range 3 {
		must(t, l.Append(tagsFrom(i, 2)))
	}
	must(t, l.Close())
	good, err := os.ReadFile(l.path)
	must(t, err)
	const record = 2*mixnode.ReplayTagSize + recordOverhead
	if len(good) != headerSize+3*record {
		t.Fatalf("%d bytes in the file", len(good))
	}
	try := func(what string, b []byte, clean bool) {
		t.Helper()
		must(t, os.WriteFile(l.path, b, 0o600))
		l, err := OpenReplayLog(dir, key)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer l.Close()
		if l.Clean() != clean {
			t.Errorf("%s: clean %t, want %t", what, l.Clean(), clean)
		}
		if clean {
			return
		}
		if err := l.Append(tagsFrom(9, 1)); err == nil {
			t.Errorf("%s: took another tag", what)
		}
	}
	try("good", good, true)
	for n := range good {
		if cut := n - headerSize; cut >= 0 && cut%record == 0 {
			continue // whole records; nothing tells that there were more
		}
		try("cut off", good[:n], false)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		try("one bit changed", bad, false)
	}
	try("zeros at its end", append(bytes.Clone(good), make([]byte, record)...), false)
	must(t, os.Remove(l.path))
	l, err = OpenReplayLog(dir, key)
	must(t, err)
	if l.Clean() {
		t.Error("a log that is missing is clean")
	}
	must(t, l.Remove())
	l, err = CreateReplayLog(dir, key, SyncEach)
	must(t, err)
	if !l.Clean() {
		t.Error("a new log is not clean")
	}
	must(t, l.Close())
}

func TestForeignReplayLog(t *testing.T) {
	dir := t.TempDir()
	key, other := keys.NewSphinxKey().Public(), keys.NewSphinxKey().Public()
	must(t, os.WriteFile(replayPath(dir, key), replayHeader{key: fingerprint(other)}.append(nil), 0o600))
	_, err := OpenReplayLog(dir, key)
	wantError(t, err, nil, "another key", filepath.Base(replayPath(dir, key)))

	newer := replayHeader{key: fingerprint(key)}.append(nil)
	newer[11]++
	newer = binary.BigEndian.AppendUint32(newer[:headerSize-4], checksum(newer[:headerSize-4]))
	must(t, os.WriteFile(replayPath(dir, key), newer, 0o600))
	_, err = OpenReplayLog(dir, key)
	wantError(t, err, ErrVersion, "3, and this program knows 2")
}

// H18: "a log that was written but not closed counts only if the machine has not
// started again since, which a boot id in its header tells"
func TestH18ReplayLogOfAnotherBoot(t *testing.T) {
	key := keys.NewSphinxKey().Public()
	nowhere := &machine{boot: testMachine(1).boot, local: func(string) bool { return false }}
	for _, c := range []struct {
		name         string
		first        *machine
		sync         ReplaySync
		closed       bool
		second       *machine
		clean, waits bool // of the second
	}{
		{"killed, same boot", testMachine(1), SyncAtEnd, false, testMachine(1), true, false},
		{"killed, another boot", testMachine(1), SyncAtEnd, false, testMachine(2), false, false},
		{"killed, boot unknown later", testMachine(1), SyncAtEnd, false, testMachine(0), false, false},
		{"killed, moved to a network", testMachine(1), SyncAtEnd, false, nowhere, false, false},
		{"closed, another boot", testMachine(1), SyncAtEnd, true, testMachine(2), true, false},
		{"closed, boot unknown later", testMachine(1), SyncAtEnd, true, testMachine(0), true, true},
		{"killed, boot never known", testMachine(0), SyncAtEnd, false, testMachine(2), true, true},
		{"killed, kept by a network", nowhere, SyncAtEnd, false, testMachine(2), true, true},
		{"killed, another boot, synced", testMachine(1), SyncEach, false, testMachine(2), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l, err := c.first.createReplayLog(dir, key, c.sync)
			must(t, err)
			must(t, l.Append(tagsFrom(0, 5)))
			if c.closed {
				must(t, l.Close())
			}
			b, err := os.ReadFile(l.path)
			must(t, err)
			must(t, l.Close()) // lets go of the file; what a kill leaves is in b
			must(t, os.WriteFile(l.path, b, 0o600))
			l, err = c.second.openReplayLog(dir, key)
			must(t, err)
			defer l.Close()
			if l.Clean() != c.clean || c.clean && l.Waits() != c.waits {
				t.Fatalf("clean %t, waits %t; want %t, %t", l.Clean(), l.Waits(), c.clean, c.waits)
			}
			if !c.clean {
				return
			}
			if got := loadTags(t, l); !slices.Equal(got, tagsFrom(0, 5)) {
				t.Errorf("tags %x", got)
			}
			// It is open again, and says so.
			must(t, l.Append(tagsFrom(5, 1)))
			b, err = os.ReadFile(l.path)
			must(t, err)
			must(t, l.Close())
			must(t, os.WriteFile(l.path, b, 0o600))
			third, err := testMachine(3).openReplayLog(dir, key)
			must(t, err)
			if third.Clean() != c.waits {
				t.Errorf("killed and started in a third boot: clean %t, want %t", third.Clean(), c.waits)
			}
			must(t, third.Close())
		})
	}
}

// H18: the header says that records follow which may not be on disk before the
// first of them is written. A log that gets none is not touched.
func TestH18ReplayLogIsOpenWhenWritten(t *testing.T) {
	dir, key := t.TempDir(), keys.NewSphinxKey().Public()
	l, err := testMachine(1).createReplayLog(dir, key, SyncAtEnd)
	must(t, err)
	must(t, l.Append(tagsFrom(0, 1)))
	must(t, l.Close())
	closed, err := os.ReadFile(l.path)
	must(t, err)

	l, err = testMachine(2).openReplayLog(dir, key)
	must(t, err)
	f := &failingFile{File: l.f.(*os.File), sync: errDisk}
	l.f = f
	wantError(t, l.Append(tagsFrom(1, 1)), errDisk)
	if b, err := os.ReadFile(l.path); err != nil || len(b) != len(closed) {
		t.Errorf("%d bytes, %v: a record was written before the header was on disk", len(b), err)
	}
	must(t, os.WriteFile(l.path, closed, 0o600))
	f.sync = nil
	must(t, l.Append(tagsFrom(1, 1)))
	b, err := os.ReadFile(l.path)
	must(t, err)
	if h, err := parseReplayHeader(b); err != nil || h.state != logOpen || h.boot != (bootID{2}) {
		t.Errorf("header %+v, %v", h, err)
	}
	must(t, l.Close())

	must(t, os.WriteFile(l.path, closed, 0o600))
	for boot := range byte(3) { // each is killed before it gets a packet
		l, err := testMachine(boot).openReplayLog(dir, key)
		must(t, err)
		if b, err := os.ReadFile(l.path); err != nil || !bytes.Equal(b, closed) || !l.Clean() {
			t.Errorf("boot %d: clean %t, %v, or not the same bytes", boot, l.Clean(), err)
		}
		must(t, l.f.Close())
	}
}

// H18: a torn tail, and an error of the disk, are as bad as ever.
func TestH18ReplayLogTornInTheSameBoot(t *testing.T) {
	dir, key, m := t.TempDir(), keys.NewSphinxKey().Public(), testMachine(1)
	l, err := m.createReplayLog(dir, key, SyncAtEnd)
	must(t, err)
	must(t, l.Append(tagsFrom(0, 5)))
	b, err := os.ReadFile(l.path)
	must(t, err)
	f := &failingFile{File: l.f.(*os.File), write: errDisk}
	l.f = f
	wantError(t, l.Append(tagsFrom(5, 1)), errDisk)
	if !l.Waits() {
		t.Error("a disk that failed is trusted")
	}
	f.write, f.sync = nil, errDisk
	wantError(t, l.Append(tagsFrom(5, 1)), errDisk)
	wantError(t, l.Close(), errDisk) // not marked as closed
	must(t, os.WriteFile(l.path, b[:len(b)-1], 0o600))
	l, err = m.openReplayLog(dir, key)
	must(t, err)
	if l.Clean() {
		t.Error("a log with a torn record is clean")
	}
	must(t, os.WriteFile(l.path, b, 0o600))
	l, err = m.openReplayLog(dir, key)
	must(t, err)
	if !l.Clean() {
		t.Error("the same whole is not")
	}
	must(t, l.Close())
}

// Logs of version 1 were synced one by one, and still are.
func TestReplayLogOfVersion1(t *testing.T) {
	dir, key := t.TempDir(), keys.NewSphinxKey().Public()
	name := fingerprint(key)
	old := binary.BigEndian.AppendUint32([]byte("nymtags\n"), 1)
	old = append(old, name[:]...)
	old = binary.BigEndian.AppendUint32(old, checksum(old))
	must(t, os.WriteFile(replayPath(dir, key), appendRecord(old, tagsFrom(0, 2)), 0o600))
	for round := range 2 {
		l, err := testMachine(byte(1+round)).openReplayLog(dir, key)
		must(t, err)
		if got := loadTags(t, l); !l.Clean() || !l.Waits() || !slices.Equal(got, tagsFrom(0, 2+round)) {
			t.Fatalf("clean %t, waits %t, tags %x", l.Clean(), l.Waits(), got)
		}
		must(t, l.Append(tagsFrom(2+round, 1)))
		must(t, l.Close())
	}
}

// H18: the node itself refuses the key of such a log, and takes that of a good one.
func TestH18NodeRefusesUncleanLog(t *testing.T) {
	dir := t.TempDir()
	key := keys.NewSphinxKey()
	missing, err := OpenReplayLog(dir, key.Public())
	must(t, err)
	fresh, err := CreateReplayLog(dir, key.Public(), SyncEach)
	must(t, err)
	defer fresh.Close()
	for log, want := range map[*ReplayLog]error{missing: mixnode.ErrTagsLost, fresh: nil} {
		_, err := mixnode.New(mixnode.Config{
			Keys:     mixnode.Keys{Primary: mixnode.Key{Rotation: mixnode.NoRotation, Key: key, Log: log}},
			Topology: func() *topology.Network { return nil },
		})
		if !errors.Is(err, want) {
			t.Errorf("clean %t: got %v, want %v", log.Clean(), err, want)
		}
	}
}

// A failingFile writes half of what it should.
type failingFile struct {
	*os.File
	write, sync, truncate error
}

func (f *failingFile) WriteAt(b []byte, at int64) (int, error) {
	if f.write == nil {
		return f.File.WriteAt(b, at)
	}
	n, _ := f.File.WriteAt(b[:len(b)/2], at)
	return n, f.write
}

func (f *failingFile) Sync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.File.Sync()
}

func (f *failingFile) Truncate(n int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.File.Truncate(n)
}

// H18: a disk that fails for a while loses nothing that was acknowledged.
func TestH18ReplayLogOnABadDisk(t *testing.T) {
	dir := t.TempDir()
	key := keys.NewSphinxKey().Public()
	l, err := CreateReplayLog(dir, key, SyncEach)
	must(t, err)
	f := &failingFile{File: l.f.(*os.File)}
	l.f = f
	must(t, l.Append(tagsFrom(0, 3)))
	f.write = errDisk
	wantError(t, l.Append(tagsFrom(10, 3)), errDisk, "append to replay log")
	f.write, f.sync = nil, errDisk
	wantError(t, l.Append(tagsFrom(20, 30)), errDisk)
	f.sync = nil
	must(t, l.Append(tagsFrom(3, 2)))
	l.max = l.end + recordOverhead + mixnode.ReplayTagSize
	wantError(t, l.Append(tagsFrom(30, 2)), nil, "greatest size")
	must(t, l.Append(tagsFrom(5, 1)))
	must(t, l.Close())

	l, err = OpenReplayLog(dir, key)
	must(t, err)
	if got := loadTags(t, l); !l.Clean() || !slices.Equal(got, tagsFrom(0, 6)) {
		t.Errorf("clean %t, tags %x", l.Clean(), got)
	}
	// Half a record that cannot be taken back: nothing is written after it.
	f = &failingFile{File: l.f.(*os.File), write: errDisk, truncate: errors.New("read-only")}
	l.f = f
	wantError(t, l.Append(tagsFrom(6, 1)), errDisk)
	f.write, f.truncate = nil, nil
	wantError(t, l.Append(tagsFrom(6, 1)), errDisk, "read-only")
	must(t, l.Close())
	l, err = OpenReplayLog(dir, key)
	must(t, err)
	if l.Clean() {
		t.Error("a log with half a record is clean")
	}
	must(t, l.Remove())
}

// Appending and closing at once, as when a key is retired while packets come.
func TestReplayLogAtOnce(t *testing.T) {
	l, err := CreateReplayLog(t.TempDir(), keys.NewSphinxKey().Public(), SyncEach)
	must(t, err)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 20 {
				if err := l.Append(tagsFrom(i*100+j, 1)); err != nil && !errors.Is(err, fs.ErrClosed) {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	must(t, l.Close())
	wg.Wait()
}
