package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// A holder is who put a note: some bytes that a service draws for every sender tag
// and every address, anew at each start. It tells which notes came from one
// sender, for sharing the room out, and not from which.
type holder [8]byte

// noteOverhead is what a note takes besides its text, in bytes, roughly.
const noteOverhead = 256

// A store keeps notes in a file: bbolt has each on disk before put returns, whatever
// kills the program then.
//
//	name (16) ──▶ until (8) | holder (8) | hash of the text (32) | text
//
// A deleted note leaves this entry without its text, until it would have ended: the
// put may arrive once more, and must not bring it back. One goroutine at a time uses
// a store.
type store struct {
	db  *bbolt.DB
	max int // bytes in all

	notes map[ID]note
	used  map[holder]int // bytes
	all   int            // bytes
}

var bucket = []byte("notes 1")

const headSize = 8 + 8 + sha256.Size

// A note is what is known of a note without reading its text.
type note struct {
	until  time.Time
	holder holder
	hash   [sha256.Size]byte
	length int // zero: it was deleted
}

func (n note) size() int { return noteOverhead + n.length }

func (n note) bytes(text string) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(n.until.Unix()))
	b = append(append(b, n.holder[:]...), n.hash[:]...)
	return append(b, text...)
}

func parseNote(b []byte) (note, error) {
	if len(b) < headSize {
		return note{}, errors.New("damaged note")
	}
	return note{time.Unix(int64(binary.BigEndian.Uint64(b)), 0), holder(b[8:16]), [32]byte(b[16:48]), len(b) - headSize}, nil
}

// openStore opens the file, which only its owner can read, and sees what is there.
func openStore(path string, max int) (*store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("notes: %s is in use: does the service run already?", path)
	}
	if err != nil {
		return nil, fmt.Errorf("notes: open %s: %w", path, err)
	}
	s := &store{db: db, max: max, notes: make(map[ID]note), used: make(map[holder]int)}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			n, err := parseNote(v)
			if err == nil {
				s.add(ID(k), n)
			}
			return err
		})
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("notes: read %s: %w", path, err), db.Close())
	}
	return s, nil
}

func (s *store) close() error { return s.db.Close() }

func (s *store) add(name ID, n note) {
	s.notes[name] = n
	s.used[n.holder] += n.size()
	s.all += n.size()
}

func (s *store) drop(name ID) {
	n := s.notes[name]
	delete(s.notes, name)
	s.all -= n.size()
	if s.used[n.holder] -= n.size(); s.used[n.holder] == 0 {
		delete(s.used, n.holder)
	}
}

// write drops some notes and, if it is not nil, puts one, in the file and then in
// what is known of it.
func (s *store) write(victims []ID, name ID, n *note, text string) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		for _, v := range victims {
			if err := b.Delete(v[:]); err != nil {
				return err
			}
		}
		if n == nil {
			return nil
		}
		return b.Put(name[:], n.bytes(text))
	})
	if err != nil {
		return fmt.Errorf("notes: write: %w", err)
	}
	for _, v := range victims {
		s.drop(v)
	}
	if n != nil {
		if _, ok := s.notes[name]; ok {
			s.drop(name)
		}
		s.add(name, *n)
	}
	return nil
}

// put keeps a note. The same put again gives the same answer, and changes nothing.
func (s *store) put(r request, from holder, now time.Time) (answer, error) {
	n := note{now.Add(time.Duration(r.Days) * 24 * time.Hour), from, sha256.Sum256([]byte(r.Text)), len(r.Text)}
	name := r.ID.name()
	if old, ok := s.notes[name]; ok {
		switch {
		case old.hash != n.hash:
			return answer{}, errConflict
		case old.length == 0 || !now.Before(old.until):
			return answer{}, errNotFound
		}
		return answer{Name: name, Until: old.until.Unix()}, nil
	}
	victims, err := s.room(n)
	if err == nil {
		err = s.write(victims, name, &n, r.Text)
	}
	return answer{Name: name, Until: n.until.Unix()}, err
}

// room says which notes must go so that there is room for n: those of the holder
// that has most, the ones that end soonest first. If that is the one who asks
// for room, there is none.
func (s *store) room(n note) (victims []ID, err error) {
	missing := s.all + n.size() - s.max
	if missing <= 0 {
		return nil, nil
	}
	most, has := n.holder, s.used[n.holder]+n.size()
	for h, used := range s.used {
		if used > has {
			most, has = h, used
		}
	}
	if most == n.holder {
		return nil, errFull
	}
	var candidates []ID
	for name, o := range s.notes {
		if o.holder == most {
			candidates = append(candidates, name)
		}
	}
	slices.SortFunc(candidates, func(a, b ID) int { return s.notes[a].until.Compare(s.notes[b].until) })
	for _, name := range candidates {
		if missing <= 0 {
			return victims, nil
		}
		victims = append(victims, name)
		missing -= s.notes[name].size()
	}
	if missing > 0 {
		return nil, errFull // all that the largest holder has is less than this note
	}
	return victims, nil
}

// get reads a note.
func (s *store) get(name ID, now time.Time) (a answer, err error) {
	n, ok := s.notes[name]
	if !ok || n.length == 0 || !now.Before(n.until) {
		return answer{}, errNotFound
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		a = answer{Text: string(tx.Bucket(bucket).Get(name[:])[headSize:]), Until: n.until.Unix()}
		return nil
	})
	return a, err
}

// delete drops a note, for whoever has its key. It need not be there.
func (s *store) delete(key ID) error {
	name := key.name()
	n, ok := s.notes[name]
	if !ok || n.length == 0 {
		return nil
	}
	n.length = 0
	return s.write(nil, name, &n, "")
}

// expire drops what has ended.
func (s *store) expire(now time.Time) error {
	var victims []ID
	for name, n := range s.notes {
		if !now.Before(n.until) {
			victims = append(victims, name)
		}
	}
	if len(victims) == 0 {
		return nil
	}
	return s.write(victims, ID{}, nil, "")
}
