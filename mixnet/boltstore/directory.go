package boltstore

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
)

// The buckets of a directory's file.
var (
	recordsBucket = []byte("records") // identity (32): record
	headBucket    = []byte("head")    // headKey: head in the form of nodes.md §4.11
	headKey       = []byte("last")
	historyBucket = []byte("history") // number (8, BE): entry
)

var directorySchema = schema{
	program: "directory",
	version: 2,
	buckets: []string{string(recordsBucket), string(headBucket), string(historyBucket)},
	upgrades: []func(*bolt.Tx) error{
		func(tx *bolt.Tx) error { // version 1 had no history
			_, err := tx.CreateBucketIfNotExists(historyBucket)
			return err
		},
	},
}

// A Directory keeps the records of a directory and the head of its last
// snapshot in one file. It implements [dirserver.Store]. Unlike other files
// here this one has identities in it: those that the directory publishes.
type Directory struct{ file *file }

var _ dirserver.Store = (*Directory)(nil)

// OpenDirectory opens a directory's file, and makes it if there is none. The
// folder it is in must exist. Errors may wrap [ErrInUse], [ErrVersion] and
// [ErrDamaged].
func OpenDirectory(path string) (*Directory, error) {
	f, err := open(path, directorySchema, openBolt)
	if err != nil {
		return nil, err
	}
	return &Directory{f}, nil
}

// Close waits for calls under way and closes the file; later calls fail.
func (d *Directory) Close() error { return d.file.close() }

// Records implements [dirserver.Store].
func (d *Directory) Records(context.Context) ([]dirserver.Record, error) {
	var all []dirserver.Record
	err := d.file.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(recordsBucket).ForEach(func(k, v []byte) error {
			r, err := parseListing(k, v)
			all = append(all, r)
			return err
		})
	})
	if err != nil {
		return nil, failed("read the records", err)
	}
	return all, nil
}

// PutRecord implements [dirserver.Store].
func (d *Directory) PutRecord(_ context.Context, r dirserver.Record) error {
	err := d.file.commits.do(func(tx *bolt.Tx) error {
		return tx.Bucket(recordsBucket).Put(r.Identity[:], appendListing(nil, r))
	})
	return failed("store a record", err)
}

// Head implements [dirserver.Store].
func (d *Directory) Head(context.Context) (h directory.Head, err error) {
	err = d.file.db.View(func(tx *bolt.Tx) error {
		h, err = headOf(tx)
		return err
	})
	if err != nil {
		return directory.Head{}, failed("read the head", err)
	}
	return h, nil
}

func headOf(tx *bolt.Tx) (h directory.Head, err error) {
	b := tx.Bucket(headBucket).Get(headKey)
	if b == nil {
		return directory.Head{}, nil
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return directory.Head{}, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return h, nil
}

// dropAtOnce bounds how many old entries go with one new one.
const dropAtOnce = 16

// PutHead implements [dirserver.Store].
func (d *Directory) PutHead(_ context.Context, before, h directory.Head, e dirserver.Entry) error {
	b, err := json.Marshal(h)
	if err != nil {
		return failed("store the head", err)
	}
	err = d.file.commits.do(func(tx *bolt.Tx) error {
		last, err := headOf(tx)
		if err != nil {
			return err
		}
		if !before.Same(last) {
			return dirserver.ErrMoved
		}
		history := tx.Bucket(historyBucket)
		if err := dropOld(history, e.Issued); err != nil {
			return err
		}
		if err := history.Put(binary.BigEndian.AppendUint64(nil, e.Sequence), appendLink(nil, e)); err != nil {
			return err
		}
		return tx.Bucket(headBucket).Put(headKey, b)
	})
	return failed("store the head", err)
}

// dropOld drops entries that need not be kept any more.
func dropOld(history *bolt.Bucket, now time.Time) error {
	c := history.Cursor()
	k, v := c.First()
	for range dropAtOnce {
		if k == nil {
			return nil
		}
		e, err := parseLink(k, v)
		if err != nil {
			return err
		}
		if now.Sub(e.Issued) <= directory.KeepHistory {
			return nil
		}
		if err := history.Delete(k); err != nil {
			return err
		}
		k, v = c.Seek(k)
	}
	return nil
}

// History implements [dirserver.Store].
func (d *Directory) History(_ context.Context, from uint64, n int) (all []dirserver.Entry, err error) {
	err = d.file.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(historyBucket).Cursor()
		for k, v := c.Seek(binary.BigEndian.AppendUint64(nil, from)); k != nil && len(all) < n; k, v = c.Next() {
			e, err := parseLink(k, v)
			if err != nil {
				return err
			}
			all = append(all, e)
		}
		return nil
	})
	if err != nil {
		return nil, failed("read the history", err)
	}
	return all, nil
}

// An entry is stored under its number as
//
//	+-----------------------------+------------------------+--------------------+------------+
//	| valid after (8, BE, Unix ns)| issued (8, BE, Unix ns)| document hash (32) | chain (32) |
//	+-----------------------------+------------------------+--------------------+------------+
const linkSize = 8 + 8 + 32 + 32

func appendLink(b []byte, e dirserver.Entry) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(e.ValidAfter.UnixNano()))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Issued.UnixNano()))
	return append(append(b, e.Topology[:]...), e.Chain[:]...)
}

// parseLink parses exactly one entry. It keeps neither k nor b.
func parseLink(k, b []byte) (dirserver.Entry, error) {
	if len(k) != 8 || len(b) != linkSize {
		return dirserver.Entry{}, fmt.Errorf("%w: entry of %d bytes under a key of %d", ErrDamaged, len(b), len(k))
	}
	return dirserver.Entry{
		Sequence: binary.BigEndian.Uint64(k),
		Link: directory.Link{
			ValidAfter: time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC(),
			Topology:   directory.Hash(b[16:48]),
		},
		Issued: time.Unix(0, int64(binary.BigEndian.Uint64(b[8:]))).UTC(),
		Chain:  directory.Hash(b[48:]),
	}, nil
}

// A record is stored under its identity as
//
//	+-----------------+-----------+----------------------------------+--------------+
//	| number (4, BE)  | layer (1) | lease ends (8, BE, ns since 1970)| announcement |
//	+-----------------+-----------+----------------------------------+--------------+
const listingSize = 13

func appendListing(b []byte, r dirserver.Record) []byte {
	b = binary.BigEndian.AppendUint32(b, r.ID)
	b = append(b, r.Layer)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Expires.UnixNano()))
	return append(b, r.Announcement...)
}

// parseListing parses exactly one record. It keeps neither k nor b.
func parseListing(k, b []byte) (dirserver.Record, error) {
	if len(k) != keys.Size || len(b) < listingSize {
		return dirserver.Record{}, fmt.Errorf("%w: record of %d bytes under a key of %d", ErrDamaged, len(b), len(k))
	}
	return dirserver.Record{
		Identity:     keys.Identity(k),
		ID:           binary.BigEndian.Uint32(b),
		Layer:        b[4],
		Expires:      time.Unix(0, int64(binary.BigEndian.Uint64(b[5:]))),
		Announcement: append([]byte(nil), b[listingSize:]...),
	}, nil
}
