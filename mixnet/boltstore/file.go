package boltstore

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Errors of opening a file.
var (
	// ErrInUse reports a file that is open already, here or in another process.
	ErrInUse = errors.New("file is in use by another process")
	// ErrVersion reports a file whose version this program does not know.
	ErrVersion = errors.New("file has another version")
	// ErrDamaged reports a file whose contents make no sense.
	ErrDamaged = errors.New("file is damaged")
)

// A schema is what is in a program's file.
type schema struct {
	program string // whose file it is
	version uint32
	buckets []string
	// upgrades each make a file of one version into one of the next; the last one
	// makes one of this version. Older files cannot be opened.
	upgrades []func(*bolt.Tx) error
}

// Every file has this bucket, with these keys.
var (
	metaBucket = []byte("meta")
	metaOwner  = []byte("program")
	metaFormat = []byte("version")  // 4 bytes, big endian
	metaNames  = []byte("name key") // 32 bytes, drawn when the file was made
)

// nameSize is the size of a name in bytes.
const nameSize = 16

// A name is what a row is found by, in place of whom it belongs to.
type name [nameSize]byte

// A file is an open bbolt file.
type file struct {
	db      *bolt.DB
	path    string
	names   []byte // the key of all names
	commits committer
}

// openDB stands between us and bbolt, for tests that take the disk away.
type openDB func(path string, o *bolt.Options) (*bolt.DB, error)

func openBolt(path string, o *bolt.Options) (*bolt.DB, error) { return bolt.Open(path, 0o600, o) }

// open opens the file at path, and makes it if there is none.
func open(path string, s schema, db openDB) (*file, error) {
	f, err := openFile(path, s, db)
	if err != nil {
		return nil, fmt.Errorf("boltstore: open %s: %w", path, explain(err))
	}
	return f, nil
}

func openFile(path string, s schema, db openDB) (*file, error) {
	if err := create(path, s); err != nil {
		return nil, err
	}
	if err := private(path); err != nil {
		return nil, err
	}
	if err := whole(path); err != nil {
		return nil, err
	}
	f := &file{path: path}
	var err error
	if f.db, err = guarded(db, path, &bolt.Options{NoFreelistSync: true}); err != nil {
		return nil, err
	}
	if err := f.check(s); err != nil {
		f.db.Close()
		return nil, err
	}
	f.commits.db = f.db
	return f, nil
}

// close waits for what is being written, and unlocks the file.
func (f *file) close() error {
	if err := f.db.Close(); err != nil {
		return fmt.Errorf("boltstore: close %s: %w", f.path, explain(err))
	}
	return nil
}

// create makes the file unless there is one. It appears whole or not at all (H36).
func create(path string, s schema) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return appear(path, func(tmp string) error {
		db, err := guarded(openBolt, tmp, &bolt.Options{NoFreelistSync: true})
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Update(func(tx *bolt.Tx) error {
			meta, err := tx.CreateBucket(metaBucket)
			if err != nil {
				return err
			}
			names := make([]byte, 32)
			rand.Read(names)
			for _, b := range s.buckets {
				if _, err := tx.CreateBucket([]byte(b)); err != nil {
					return err
				}
			}
			return errors.Join(
				meta.Put(metaOwner, []byte(s.program)),
				meta.Put(metaFormat, binary.BigEndian.AppendUint32(nil, s.version)),
				meta.Put(metaNames, names),
			)
		})
	})
}

// appear has fill make a temporary file, and gives it its name when it is on
// disk, unless another program was quicker.
func appear(path string, fill func(tmp string) error) error {
	dir, base := filepath.Split(path)
	tmp, err := os.CreateTemp(dir, base+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := fill(tmp.Name()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without links. The programs that share it are not quick.
		if err := os.Rename(tmp.Name(), path); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	if dir == "" {
		dir = "."
	}
	if runtime.GOOS == "windows" {
		return nil // it has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// private refuses a file that others may read: there are keys in it (H36).
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("mode %04o lets others read it, want 0600", info.Mode().Perm())
	}
	return nil
}

// whole refuses a file that lacks its end or whose pages make no sense: bbolt
// would end the process when it meets them. It reads the whole file, as bbolt
// does then to find its free pages.
func whole(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f) // in order, which disks do best
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	db, err := guarded(openBolt, path, &bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: it has %d bytes of %d", ErrDamaged, info.Size(), tx.Size())
		}
		return walk(tx)
	})
}

// walk reads every row.
func walk(tx *bolt.Tx) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	var bucket func([]byte, *bolt.Bucket) error
	bucket = func(_ []byte, b *bolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if v == nil { // a bucket inside
				return bucket(k, b.Bucket(k))
			}
			touch(k)
			touch(v)
			return nil
		})
	}
	return tx.ForEach(bucket)
}

// touch reads the ends of what may not be there.
//
//go:noinline
func touch(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0] ^ b[len(b)-1]
}

// guarded opens a database without waiting for its lock.
func guarded(open openDB, path string, o *bolt.Options) (db *bolt.DB, err error) {
	defer func() {
		if r := recover(); r != nil { // bbolt panics when pages make no sense
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	o.Timeout = time.Millisecond // one attempt
	o.FreelistType = bolt.FreelistMapType
	switch db, err = open(path, o); {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return db, err
}

// check reads what the file says of itself, and brings it up to date.
func (f *file) check(s schema) error {
	var version uint32
	err := f.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil {
			return fmt.Errorf("%w: it says nothing of itself", ErrDamaged)
		}
		if got := string(meta.Get(metaOwner)); got != s.program {
			return fmt.Errorf("it is of program %.20q, want %q", got, s.program)
		}
		b := meta.Get(metaFormat)
		if len(b) != 4 {
			return fmt.Errorf("%w: version of %d bytes", ErrDamaged, len(b))
		}
		version = binary.BigEndian.Uint32(b)
		f.names = append([]byte(nil), meta.Get(metaNames)...)
		if len(f.names) != 32 {
			return fmt.Errorf("%w: name key of %d bytes", ErrDamaged, len(f.names))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case version > s.version:
		return fmt.Errorf("%w: %d, and this program knows up to %d: use a newer program", ErrVersion, version, s.version)
	case version < s.oldest():
		return fmt.Errorf("%w: %d, and this program knows none before %d: use an older program first", ErrVersion, version, s.oldest())
	case version < s.version:
		err = f.db.Update(func(tx *bolt.Tx) error {
			for _, upgrade := range s.upgrades[version-s.oldest():] {
				if err := upgrade(tx); err != nil {
					return err
				}
			}
			return tx.Bucket(metaBucket).Put(metaFormat, binary.BigEndian.AppendUint32(nil, s.version))
		})
		if err != nil {
			return fmt.Errorf("upgrade from version %d: %w", version, err)
		}
	}
	return f.db.View(func(tx *bolt.Tx) error {
		for _, b := range s.buckets {
			if tx.Bucket([]byte(b)) == nil {
				return fmt.Errorf("%w: no bucket %q", ErrDamaged, b)
			}
		}
		return nil
	})
}

// oldest is the oldest version that can be opened.
func (s schema) oldest() uint32 { return s.version - uint32(len(s.upgrades)) }

// name finds the name of whom a row belongs to, given in parts of fixed size.
func (f *file) name(parts ...[]byte) name {
	h := hmac.New(sha256.New, f.names)
	for _, p := range parts {
		h.Write(p)
	}
	return name(h.Sum(nil)[:nameSize])
}

// explain says in words what the operator must know of an error.
func explain(err error) error {
	for _, e := range []struct {
		errs []error
		text string
	}{
		{[]error{syscall.ENOSPC, syscall.EDQUOT}, "the disk is full"},
		{[]error{syscall.EFBIG, bolterrors.ErrMaxSizeReached}, "the file may not grow any more"},
		{[]error{syscall.EROFS, syscall.EBADF, bolterrors.ErrDatabaseReadOnly}, "the file cannot be written"},
		{[]error{fs.ErrPermission}, "the program may not use it"},
		{[]error{bolterrors.ErrDatabaseNotOpen}, "the file is closed"},
	} {
		for _, target := range e.errs {
			if errors.Is(err, target) {
				return fmt.Errorf("%s: %w", e.text, err)
			}
		}
	}
	return err
}
