package boltstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/storetest"
)

func TestDirectoryStore(t *testing.T) {
	storetest.Directory(t, func(t *testing.T) func() dirserver.Store {
		reopen := crashes(t, OpenDirectory)
		return func() dirserver.Store { return reopen() }
	})
}

// Rows that make no sense are reported, not served.
func TestDirectoryStoreIsDamaged(t *testing.T) {
	d, err := OpenDirectory(filepath.Join(t.TempDir(), "directory.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	put := func(bucket, key, value []byte) {
		t.Helper()
		err := d.file.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put(key, value) })
		if err != nil {
			t.Fatal(err)
		}
	}
	put(headBucket, headKey, []byte("{"))
	if h, err := d.Head(t.Context()); !errors.Is(err, ErrDamaged) || !h.IsZero() {
		t.Errorf("head: %v, %v; want ErrDamaged", h, err)
	}
	put(historyBucket, make([]byte, 8), make([]byte, linkSize-1))
	if all, err := d.History(t.Context(), 0, 1); !errors.Is(err, ErrDamaged) || all != nil {
		t.Errorf("history: %v, %v; want ErrDamaged", all, err)
	}
	put(recordsBucket, make([]byte, keys.Size), make([]byte, listingSize-1))
	if all, err := d.Records(t.Context()); !errors.Is(err, ErrDamaged) || all != nil {
		t.Errorf("records: %v, %v; want ErrDamaged", all, err)
	}
}

func TestDirectoryStoreIsClosed(t *testing.T) {
	d, err := OpenDirectory(filepath.Join(t.TempDir(), "directory.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.PutRecord(t.Context(), dirserver.Record{Expires: time.Unix(1, 0)}); err == nil {
		t.Error("a closed file took a record")
	}
	if err := d.PutHead(t.Context(), directory.Head{}, directory.Head{Sequence: 1}, dirserver.Entry{Sequence: 1, Issued: time.Unix(1, 0)}); err == nil {
		t.Error("a closed file took a head")
	}
	if _, err := d.Records(t.Context()); err == nil {
		t.Error("a closed file gave records")
	}
}

func FuzzParseListing(f *testing.F) {
	f.Add(make([]byte, keys.Size), make([]byte, listingSize))
	f.Add(make([]byte, keys.Size), append(make([]byte, listingSize), "announcement"...))
	f.Add([]byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, key, in []byte) {
		r, err := parseListing(key, in)
		if err == nil && (!bytes.Equal(appendListing(nil, r), in) || !bytes.Equal(r.Identity[:], key)) {
			t.Errorf("%x parses as %+v, but does not encode so", in, r)
		}
	})
}

func FuzzParseLink(f *testing.F) {
	f.Add(make([]byte, 8), make([]byte, linkSize))
	f.Add(make([]byte, 7), make([]byte, linkSize+1))
	f.Fuzz(func(t *testing.T, key, in []byte) {
		e, err := parseLink(key, in)
		if err == nil && (!bytes.Equal(appendLink(nil, e), in) || e.Sequence != binary.BigEndian.Uint64(key)) {
			t.Errorf("%x parses as %+v, but does not encode so", in, e)
		}
	})
}

// A file of the version before has no history, and gets one.
func TestDirectoryStoreOfVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "directory.db")
	old := directorySchema
	old.version, old.buckets, old.upgrades = 1, old.buckets[:2], nil
	f, err := open(path, old, openBolt)
	if err != nil {
		t.Fatal(err)
	}
	must(t, f.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(headBucket).Put(headKey, []byte(`{"network":"n","sequence":7,"topology_sha256":"`+directory.Hash{7}.String()+`","signature":"`+base58.Encode(make([]byte, 64))+`"}`))
	}))
	must(t, f.close())
	d, err := OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	h, err := d.Head(t.Context())
	if err != nil || h.Sequence != 7 || h.Topology != (directory.Hash{7}) {
		t.Fatalf("head %+v, %v", h, err)
	}
	next := directory.Head{Network: "n", Sequence: 8, Topology: directory.Hash{8}}
	if err := d.PutHead(t.Context(), h, next, dirserver.Entry{Sequence: 8, Issued: time.Unix(1, 0)}); err != nil {
		t.Error(err)
	}
}
