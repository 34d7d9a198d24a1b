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

// maxReplayLog bounds a replay log in bytes. There is room for as many tags as in
// a node's filter.
const maxReplayLog = 1 << 30

// A ReplayLog keeps the replay tags of one Sphinx key in a file that is only
// appended to (H18). It implements [mixnode.ReplayLog].
//
// Every Append waits until its record is on disk, and a record counts only if
// the file is sound up to its end: so whatever was acknowledged is there, or the
// log is not clean. A half-written last record makes it unclean too, although
// no packet of it has left: a new key costs little.
//
//	+----------------+--------+--------+-----
//	| header (32)    | record | record | …
//	+----------------+--------+--------+-----
type ReplayLog struct {
	path  string
	clean bool
	max   int64

	mu     sync.Mutex // guards the following
	f      replayFile // nil: closed, or not clean
	end    int64      // of the last good record
	broken error      // set when the file could not be restored to its end
	buf    []byte
}

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
func CreateReplayLog(dir string, key keys.Sphinx) (*ReplayLog, error) {
	path := replayPath(dir, key)
	if err := createReplayLog(path, key); err != nil {
		return nil, fmt.Errorf("boltstore: create replay log: %w", explain(err))
	}
	return OpenReplayLog(dir, key)
}

func createReplayLog(path string, key keys.Sphinx) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	return appear(path, func(tmp string) error {
		f, err := os.OpenFile(tmp, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(replayHeader{key: fingerprint(key)}.append(nil))
		return errors.Join(err, f.Sync(), f.Close())
	})
}

// OpenReplayLog opens the log of a key that was used before. If it is missing or
// damaged there is no error, but the log is not clean: the key must be replaced,
// and all that can be done with the log is to remove it. Errors may wrap
// [ErrInUse] and [ErrVersion].
func OpenReplayLog(dir string, key keys.Sphinx) (*ReplayLog, error) {
	l := &ReplayLog{path: replayPath(dir, key), max: maxReplayLog}
	if err := l.open(key); err != nil {
		return nil, fmt.Errorf("boltstore: open %s: %w", l.path, explain(err))
	}
	return l, nil
}

func (l *ReplayLog) open(key keys.Sphinx) error {
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
	end, err := scan(f, key, func([]mixnode.ReplayTag) {})
	if err != nil {
		f.Close()
		if errors.Is(err, ErrDamaged) {
			return nil
		}
		return err
	}
	l.f, l.end, l.clean = f, end, true
	return nil
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
	_, err := scanRecords(l.f, l.end, func(tags []mixnode.ReplayTag) {
		for _, t := range tags {
			see(t)
		}
	})
	if err != nil {
		return fmt.Errorf("boltstore: load replay log: %w", explain(err))
	}
	return nil
}

// Append implements [mixnode.ReplayLog].
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
	_, err := l.f.WriteAt(l.buf, l.end)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		// Nobody may take half a record for a whole one, or write after it.
		if back := l.f.Truncate(l.end); back != nil {
			l.broken = errors.Join(err, back)
		}
		return err
	}
	l.end += int64(len(l.buf))
	return nil
}

// Close closes the log; later calls fail.
func (l *ReplayLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// Remove closes the log and removes its file: its key is retired, or was
// replaced because the log is not clean.
func (l *ReplayLog) Remove() error {
	err := l.Close()
	if gone := os.Remove(l.path); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("boltstore: remove replay log: %w", explain(err))
	}
	return nil
}

// scan reads a whole log and says where it ends.
func scan(f *os.File, key keys.Sphinx, see func([]mixnode.ReplayTag)) (end int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	head := make([]byte, min(info.Size(), headerSize))
	if _, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return 0, err
	}
	h, err := parseReplayHeader(head)
	if err != nil {
		return 0, err
	}
	if h.key != fingerprint(key) {
		return 0, errors.New("it belongs to another key")
	}
	return scanRecords(f, info.Size(), see)
}

// scanRecords reads all records of a log of a size.
func scanRecords(f io.ReaderAt, size int64, see func([]mixnode.ReplayTag)) (end int64, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, headerSize, max(0, size-headerSize)), 64<<10)
	var buf []byte
	for end = headerSize; end < size; end += int64(len(buf)) {
		var tags []mixnode.ReplayTag
		if tags, buf, err = readRecord(r, buf); err != nil {
			return end, err
		}
		see(tags)
	}
	return end, nil
}
