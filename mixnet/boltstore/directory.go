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
)

var directorySchema = schema{
	program: "directory",
	version: 1,
	buckets: []string{string(recordsBucket), string(headBucket)},
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
		b := tx.Bucket(headBucket).Get(headKey)
		if b == nil {
			return nil
		}
		if err := json.Unmarshal(b, &h); err != nil {
			return fmt.Errorf("%w: %v", ErrDamaged, err)
		}
		return nil
	})
	if err != nil {
		return directory.Head{}, failed("read the head", err)
	}
	return h, nil
}

// PutHead implements [dirserver.Store].
func (d *Directory) PutHead(_ context.Context, h directory.Head) error {
	b, err := json.Marshal(h)
	if err != nil {
		return failed("store the head", err)
	}
	err = d.file.commits.do(func(tx *bolt.Tx) error { return tx.Bucket(headBucket).Put(headKey, b) })
	return failed("store the head", err)
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
