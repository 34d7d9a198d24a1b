package boltstore

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// A ReplayLog keeps the replay tags of one Sphinx key in a file that is only
// appended to (H18). It implements [mixnode.ReplayLog].
//
// A record counts only if the file is sound up to its end: so whatever was
// acknowledged is there, or the log is not clean. A half-written last record
// makes it unclean too, although no packet of it has left: a new key costs little.
//
//	+----------------+--------+--------+-----
//	| header (52)    | record | record | …
//	+----------------+--------+--------+-----
//
// There are two kinds. With [SyncEach], Append waits until its record is on disk.
// With [SyncAtEnd] it only hands the record to the kernel, which keeps it when
// the process is killed, but not when the machine stops. The header names the
// boot of the machine then, and says whether the log was closed:
//
//	closed, all on disk ──first Append──▶ boot X, open
//	         ▲                                │ process ends
//	         └────────────Close───────────────┤
//	                                          ▼
//	       opened again in boot X: clean     in another: not clean
type ReplayLog struct {
	path  string
	clean bool
	max   int64
	boot  bootID // of the machine; zero: it cannot be told, or says nothing of this file

	mu     sync.Mutex // guards the following
	f      replayFile // nil: closed, or not clean
	header replayHeader
	end    int64 // of the last good record
	each   bool  // records are synced one by one: the kind says so, or writing failed once
	broken error // set when the file could not be restored to its end
	buf    []byte
}

// A ReplaySync says when the records of a log are on disk.
type ReplaySync bool

const (
	// SyncEach is for keys that are hard to replace: their log is clean after a
	// power failure, save for one that tears the last record.
	SyncEach ReplaySync = false
	// SyncAtEnd is for keys that are replaced by themselves. Where a boot of the
	// machine cannot be told from the next, or files are kept by another machine or
	// another process, it is SyncEach.
	SyncAtEnd ReplaySync = true
)

// replayFile is an *os.File, or one that fails, for tests.
type replayFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

var _ mixnode.ReplayLog = (*ReplayLog)(nil)

// CreateReplayLog makes an empty log in dir for a key that was never used
// before. If there is one already the error wraps [fs.ErrExist].
func CreateReplayLog(dir string, key keys.Sphinx, sync ReplaySync) (*ReplayLog, error) {
	return thisMachine.createReplayLog(dir, key, sync)
}

func (m *machine) createReplayLog(dir string, key keys.Sphinx, sync ReplaySync) (*ReplayLog, error) {
	path := replayPath(dir, key)
	h := replayHeader{key: fingerprint(key)}
	if sync == SyncAtEnd {
		h.boot = m.bootFor(dir)
	}
	if err := createReplayLog(path, h); err != nil {
		return nil, fmt.Errorf("boltstore: create replay log: %w", explain(err))
	}
	return m.openReplayLog(dir, key)
}

func createReplayLog(path string, h replayHeader) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	return appear(path, func(tmp string) error {
		f, err := os.OpenFile(tmp, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(h.append(nil))
		return errors.Join(err, f.Sync(), f.Close())
	})
}

// OpenReplayLog opens the log of a key that was used before. If it is missing or
// damaged there is no error, but the log is not clean: the key must be replaced,
// and all that can be done with the log is to remove it. Errors may wrap
// [ErrInUse] and [ErrVersion].
func OpenReplayLog(dir string, key keys.Sphinx) (*ReplayLog, error) {
	return thisMachine.openReplayLog(dir, key)
}

func (m *machine) openReplayLog(dir string, key keys.Sphinx) (*ReplayLog, error) {
	l := &ReplayLog{path: replayPath(dir, key), max: maxReplayLog}
	if err := l.open(key, m.bootFor(dir)); err != nil {
		return nil, fmt.Errorf("boltstore: open %s: %w", l.path, explain(err))
	}
	return l, nil
}

// open opens the log on a machine whose boot this is; zero if that cannot be
// told, or says nothing of files in this folder.
func (l *ReplayLog) open(key keys.Sphinx, boot bootID) error {
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := lock(f); err != nil {
		f.Close()
		return err
	}
	h, end, err := scan(f, key)
	if err == nil && !h.counts(boot) {
		err = fmt.Errorf("%w: the machine stopped before all of it was on disk", ErrDamaged)
	}
	if err != nil {
		f.Close()
		if errors.Is(err, ErrDamaged) {
			return nil
		}
		return err
	}
	l.f, l.header, l.end, l.clean, l.boot = f, h, end, true, boot
	l.each = h.boot == bootID{} || boot == bootID{}
	return nil
}

// counts reports whether all records of a log are there, which is sound as far
// as it goes.
func (h replayHeader) counts(boot bootID) bool {
	return h.boot == bootID{} || h.state == logClosed || h.boot == boot
}

// begin says in the file, before the first record that may not be on disk, that
// there may be such. A node that meets no packet changes nothing.
func (l *ReplayLog) begin() error {
	if l.header.boot == (bootID{}) || l.header.state == logOpen {
		return nil
	}
	return l.say(l.boot, logOpen)
}

// say writes the header anew, and returns when it is on disk.
func (l *ReplayLog) say(boot bootID, state logState) error {
	h := l.header
	h.boot, h.state = boot, state
	if _, err := l.f.WriteAt(h.append(nil), 0); err != nil {
		return err
	}
	if err := l.f.Sync(); err != nil {
		return err
	}
	l.header = h
	return nil
}

// Waits implements [mixnode.ReplayLog].
func (l *ReplayLog) Waits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.each
}

// replayPath names the log of a key.
func replayPath(dir string, key keys.Sphinx) string {
	name := fingerprint(key)
	return filepath.Join(dir, "replay-"+hex.EncodeToString(name[:8])+".log")
}

// fingerprint is what a file says of the key it belongs to.
func fingerprint(key keys.Sphinx) [16]byte {
	sum := sha256.Sum256(append([]byte("replay log of "), key[:]...))
	return [16]byte(sum[:])
}

// Clean implements [mixnode.ReplayLog].
func (l *ReplayLog) Clean() bool { return l.clean }

// Load implements [mixnode.ReplayLog].
func (l *ReplayLog) Load(see func(mixnode.ReplayTag)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return fmt.Errorf("boltstore: load replay log: %w", fs.ErrClosed)
	}
	// It was sound when it was opened, and only whole records were added.
	_, err := scanRecords(l.f, l.start(), l.end, func(tags []mixnode.ReplayTag) {
		for _, t := range tags {
			see(t)
		}
	})
	if err != nil {
		return fmt.Errorf("boltstore: load replay log: %w", explain(err))
	}
	return nil
}

// Append implements [mixnode.ReplayLog]. The first one waits for the disk.
func (l *ReplayLog) Append(tags []mixnode.ReplayTag) error {
	if err := l.add(tags); err != nil {
		return fmt.Errorf("boltstore: append to replay log: %w", explain(err))
	}
	return nil
}

func (l *ReplayLog) add(tags []mixnode.ReplayTag) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.f == nil:
		return fs.ErrClosed
	case l.broken != nil:
		return l.broken
	case len(tags) == 0:
		return nil
	}
	l.buf = l.buf[:0]
	for len(tags) > 0 {
		n := min(len(tags), maxRecord)
		l.buf = appendRecord(l.buf, tags[:n])
		tags = tags[n:]
	}
	if l.end+int64(len(l.buf)) > l.max {
		return fmt.Errorf("it has its greatest size, %d bytes", l.max)
	}
	if err := l.begin(); err != nil {
		l.each = true
		return err
	}
	_, err := l.f.WriteAt(l.buf, l.end)
	if err == nil && l.each {
		err = l.f.Sync()
	}
	if err != nil {
		l.each = true // from now on: a disk that fails once may do so unnoticed
		// Nobody may take half a record for a whole one, or write after it.
		if back := l.f.Truncate(l.end); back != nil {
			l.broken = errors.Join(err, back)
		}
		return err
	}
	l.end += int64(len(l.buf))
	return nil
}

// Close puts all of the log on disk and closes it; later calls fail.
func (l *ReplayLog) Close() error { return l.close(true) }

// close closes the log. It need not be kept if its file is removed next.
func (l *ReplayLog) close(keep bool) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	if keep && l.broken == nil && l.header.boot != (bootID{}) && l.header.state == logOpen {
		if err = l.f.Sync(); err == nil {
			err = l.say(l.header.boot, logClosed)
		}
	}
	err = errors.Join(err, l.f.Close())
	l.f = nil
	return err
}

// Remove closes the log and removes its file: its key is retired, or was
// replaced because the log is not clean.
func (l *ReplayLog) Remove() error {
	err := l.close(false)
	if gone := os.Remove(l.path); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("boltstore: remove replay log: %w", explain(err))
	}
	return nil
}

// start is where the records begin.
func (l *ReplayLog) start() int64 { return l.header.size() }

// scan reads a whole log and says where it ends.
func scan(f *os.File, key keys.Sphinx) (h replayHeader, end int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return h, 0, err
	}
	head := make([]byte, min(info.Size(), headerSize))
	if _, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return h, 0, err
	}
	h, err = parseReplayHeader(head)
	if err != nil {
		return h, 0, err
	}
	if h.key != fingerprint(key) {
		return h, 0, errors.New("it belongs to another key")
	}
	end, err = scanRecords(f, h.size(), info.Size(), func([]mixnode.ReplayTag) {})
	return h, end, err
}

// scanRecords reads all records of a log between start and size.
func scanRecords(f io.ReaderAt, start, size int64, see func([]mixnode.ReplayTag)) (end int64, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, start, max(0, size-start)), 64<<10)
	var buf []byte
	for end = start; end < size; end += int64(len(buf)) {
		var tags []mixnode.ReplayTag
		if tags, buf, err = readRecord(r, buf); err != nil {
			return end, err
		}
		see(tags)
	}
	return end, nil
}
