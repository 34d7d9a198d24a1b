package boltstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/broadcast/service"
)

// The buckets of a broadcaster's file.
var (
	queuedBucket   = []byte("queued")   // name of chain and hash: queued
	outcomesBucket = []byte("outcomes") // the same: outcome
	agesBucket     = []byte("ages")     // age of an outcome: its size, 8 bytes
)

var broadcastsSchema = schema{
	program: "broadcaster",
	version: 1,
	buckets: []string{string(queuedBucket), string(outcomesBucket), string(agesBucket)},
}

// Broadcasts keeps what a broadcaster has to do, and has done, in one file. It
// implements [service.Store]. Who asked for it is not in it.
type Broadcasts struct{ file *file }

var _ service.Store = (*Broadcasts)(nil)

// OpenBroadcasts opens a broadcaster's file, and makes it if there is none. Its
// directory must exist. Errors may wrap [ErrInUse], [ErrVersion] and
// [ErrDamaged].
func OpenBroadcasts(path string) (*Broadcasts, error) {
	f, err := open(path, broadcastsSchema, openBolt)
	if err != nil {
		return nil, err
	}
	return &Broadcasts{f}, nil
}

// Close waits for calls under way and closes the file; later calls fail.
func (b *Broadcasts) Close() error { return b.file.close() }

func (b *Broadcasts) name(k service.Key) name {
	chain := sha256.Sum256([]byte(k.Chain))
	return b.file.name(chain[:], k.Hash[:])
}

// Load implements [service.Store].
func (b *Broadcasts) Load(_ context.Context, k service.Key) (r service.Record, there bool, err error) {
	row := b.name(k)
	err = b.file.db.View(func(tx *bolt.Tx) (err error) {
		if v := tx.Bucket(queuedBucket).Get(row[:]); v != nil {
			there = true
			_, r, err = parseQueued(v)
			return err
		}
		if v := tx.Bucket(outcomesBucket).Get(row[:]); v != nil {
			there = true
			r, err = parseOutcome(v)
		}
		return err
	})
	return r, there && err == nil, failed("load a broadcast", err)
}

// Save implements [service.Store].
func (b *Broadcasts) Save(_ context.Context, k service.Key, r service.Record) error {
	row := b.name(k)
	err := b.file.commits.do(func(tx *bolt.Tx) error {
		queued, outcomes, ages := tx.Bucket(queuedBucket), tx.Bucket(outcomesBucket), tx.Bucket(agesBucket)
		if v := outcomes.Get(row[:]); v != nil {
			old, err := parseOutcome(v)
			if err != nil {
				return err
			}
			if err := ages.Delete(age(old, row)); err != nil {
				return err
			}
		}
		if r.Result == broadcast.Queued {
			if err := outcomes.Delete(row[:]); err != nil {
				return err
			}
			return queued.Put(row[:], appendQueued(nil, k, r))
		}
		if err := queued.Delete(row[:]); err != nil {
			return err
		}
		if err := ages.Put(age(r, row), binary.BigEndian.AppendUint64(nil, uint64(r.Size()))); err != nil {
			return err
		}
		return outcomes.Put(row[:], appendOutcome(nil, r))
	})
	return failed("save a broadcast", err)
}

// Queued implements [service.Store].
func (b *Broadcasts) Queued(_ context.Context, f func(service.Key, service.Record)) error {
	err := b.file.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(queuedBucket).ForEach(func(_, v []byte) error {
			k, r, err := parseQueued(v)
			if err == nil {
				f(k, r)
			}
			return err
		})
	})
	return failed("list broadcasts", err)
}

// trimGroup is how many rows one write removes.
const trimGroup = 512

// Trim implements [service.Store].
func (b *Broadcasts) Trim(ctx context.Context, lasting, others time.Time, most int64) error {
	var total int64
	err := b.file.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(agesBucket).ForEach(func(_, v []byte) error {
			if len(v) != 8 {
				return fmt.Errorf("%w: size of %d bytes", ErrDamaged, len(v))
			}
			total += int64(binary.BigEndian.Uint64(v))
			return nil
		})
	})
	for more := true; more && err == nil && ctx.Err() == nil; {
		err = b.file.commits.do(func(tx *bolt.Tx) error {
			left := total // may be called again
			n, err := trim(tx, lasting, others, &left, most)
			more = n == trimGroup
			if err == nil {
				total = left
			}
			return err
		})
	}
	return failed("remove old broadcasts", err)
}

// trim removes a group of rows, and gives how many.
func trim(tx *bolt.Tx, lasting, others time.Time, total *int64, most int64) (n int, err error) {
	outcomes, ages := tx.Bucket(outcomesBucket), tx.Bucket(agesBucket)
	var gone [][]byte // a cursor must not see what is removed under it
	for _, class := range []byte{passing, stays} {
		old := others
		if class == stays {
			old = lasting
		}
		limit := binary.BigEndian.AppendUint64([]byte{class}, uint64(max(0, old.Unix())))
		c := ages.Cursor()
		for key, size := c.Seek([]byte{class}); key != nil && key[0] == class && len(gone) < trimGroup; key, size = c.Next() {
			if bytes.Compare(key, limit) >= 0 && *total <= most {
				break
			}
			if len(key) != ageSize || len(size) != 8 {
				return 0, fmt.Errorf("%w: age of %d bytes", ErrDamaged, len(key))
			}
			*total -= int64(binary.BigEndian.Uint64(size))
			gone = append(gone, bytes.Clone(key))
		}
	}
	for _, key := range gone {
		if err := errors.Join(outcomes.Delete(key[ageSize-nameSize:]), ages.Delete(key)); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

// Classes of outcomes. Those that pass go first.
const (
	passing = 0
	stays   = 1
)

const ageSize = 1 + 8 + nameSize

// age is what outcomes are ordered by:
//
//	+-----------+-----------------+-----------+
//	| class (1) | second (8, BE)  | name (16) |
//	+-----------+-----------------+-----------+
func age(r service.Record, row name) []byte {
	class := byte(passing)
	if r.Lasts() {
		class = stays
	}
	b := binary.BigEndian.AppendUint64([]byte{class}, uint64(max(0, r.At.Unix())))
	return append(b, row[:]...)
}

// results are those that records have on disk, by number.
var results = []broadcast.Result{1: broadcast.Accepted, 2: broadcast.Known, 3: broadcast.Refused, 4: broadcast.Unavailable}

// appendOutcome writes what became of a transaction:
//
//	+------------+---------+----------------+-------------+-------+
//	| result (1) | cut (1) | second (8, BE) | digest (32) | reply |
//	+------------+---------+----------------+-------------+-------+
func appendOutcome(b []byte, r service.Record) []byte {
	for i, known := range results {
		if i > 0 && known == r.Result {
			b = append(b, byte(i))
		}
	}
	if r.Cut {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(max(0, r.At.Unix())))
	b = append(b, r.Digest[:]...)
	return append(b, r.Reply...)
}

const outcomeSize = 1 + 1 + 8 + 32

// parseOutcome parses exactly one. It does not keep b.
func parseOutcome(b []byte) (r service.Record, err error) {
	if len(b) < outcomeSize || b[0] == 0 || int(b[0]) >= len(results) || b[1] > 1 || b[2]&0x80 != 0 {
		return r, fmt.Errorf("%w: outcome of %d bytes", ErrDamaged, len(b))
	}
	return service.Record{
		Result: results[b[0]],
		Cut:    b[1] == 1,
		At:     time.Unix(int64(binary.BigEndian.Uint64(b[2:])), 0),
		Digest: [32]byte(b[10:]),
		Reply:  bytes.Clone(b[outcomeSize:]),
	}, nil
}

// appendQueued writes what is to be broadcast:
//
//	+----------------+------------------+--------------------+-----------+------------+-------+-------------+
//	| due (8, BE, s) | until (8, BE, s) | mean (8, BE, ns)   | hash (32) | length (1) | chain | transaction |
//	+----------------+------------------+--------------------+-----------+------------+-------+-------------+
func appendQueued(b []byte, k service.Key, r service.Record) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(max(0, r.Due.Unix())))
	b = binary.BigEndian.AppendUint64(b, uint64(max(0, r.Until.Unix())))
	b = binary.BigEndian.AppendUint64(b, uint64(max(0, r.Mean)))
	b = append(b, k.Hash[:]...)
	b = append(b, byte(len(k.Chain)))
	b = append(b, k.Chain...)
	return append(b, r.Tx...)
}

const queuedSize = 8 + 8 + 8 + broadcast.HashSize + 1

// parseQueued parses exactly one. It does not keep b.
func parseQueued(b []byte) (k service.Key, r service.Record, err error) {
	if len(b) < queuedSize || len(b) < queuedSize+int(b[queuedSize-1]) || (b[0]|b[8]|b[16])&0x80 != 0 {
		return k, r, fmt.Errorf("%w: queued broadcast of %d bytes", ErrDamaged, len(b))
	}
	chain, tx := b[queuedSize:queuedSize+int(b[queuedSize-1])], b[queuedSize+int(b[queuedSize-1]):]
	k = service.Key{Chain: string(chain), Hash: broadcast.Hash(b[24:])}
	return k, service.Record{
		Result: broadcast.Queued,
		Digest: sha256.Sum256(tx),
		Tx:     bytes.Clone(tx),
		Due:    time.Unix(int64(binary.BigEndian.Uint64(b)), 0),
		Until:  time.Unix(int64(binary.BigEndian.Uint64(b[8:])), 0),
		Mean:   time.Duration(binary.BigEndian.Uint64(b[16:])),
	}, nil
}
