package storetest

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
)

// Directory tests a [dirserver.Store].
func Directory(t *testing.T, fresh func(t *testing.T) (reopen func() dirserver.Store)) {
	t.Run("Records", func(t *testing.T) { directoryRecords(t, fresh(t)) })
	t.Run("Head", func(t *testing.T) { directoryHead(t, fresh(t)) })
}

// wantRecords wants exactly these records, in the order of their numbers.
func wantRecords(t *testing.T, s dirserver.Store, want ...dirserver.Record) {
	t.Helper()
	got, err := s.Records(t.Context())
	if err != nil {
		t.Fatalf("records: %v", err)
	}
	slices.SortFunc(got, func(a, b dirserver.Record) int { return cmp.Compare(a.ID, b.ID) })
	same := func(a, b dirserver.Record) bool {
		return a.Identity == b.Identity && a.ID == b.ID && a.Layer == b.Layer &&
			bytes.Equal(a.Announcement, b.Announcement) && a.Expires.Equal(b.Expires)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("records:\ngot  %v\nwant %v", got, want)
	}
}

func directoryRecords(t *testing.T, reopen func() dirserver.Store) {
	s := reopen()
	put := func(r dirserver.Record) {
		t.Helper()
		if err := s.PutRecord(t.Context(), r); err != nil {
			t.Fatalf("put a record: %v", err)
		}
	}
	lease := time.Date(2026, 5, 16, 6, 27, 52, 123456789, time.UTC)
	mix := dirserver.Record{Identity: someone(), ID: 1, Layer: 3, Announcement: []byte(`{"a mix"}`), Expires: lease}
	gateway := dirserver.Record{Identity: someone(), ID: 1<<32 - 1, Announcement: bytes.Repeat([]byte{0, 255}, directory.MaxAnnouncement/2), Expires: lease.Add(time.Nanosecond)}
	wantRecords(t, s)
	put(mix)
	put(gateway)
	for range 2 {
		wantRecords(t, s, mix, gateway)
		s = reopen()
	}
	// A later record takes the place of the one before; others stay.
	mix.Layer, mix.Expires, mix.Announcement = 1, lease.Add(time.Minute), []byte("shorter")
	put(mix)
	wantRecords(t, s, mix, gateway)
	s = reopen()
	wantRecords(t, s, mix, gateway)

	// What was given out is the caller's.
	all, err := s.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all[0].ID, all[1].Layer = 77, 77
	wantRecords(t, s, mix, gateway)
	if h, err := s.Head(t.Context()); err != nil || !h.IsZero() {
		t.Errorf("head: %v, %v; there is none", h, err)
	}
}

func directoryHead(t *testing.T, reopen func() dirserver.Store) {
	s := reopen()
	want := func(h directory.Head) {
		t.Helper()
		if got, err := s.Head(t.Context()); got != h || err != nil {
			t.Errorf("head: %+v, %v; want %+v", got, err, h)
		}
	}
	want(directory.Head{})
	h := directory.Head{Network: "testnet", Sequence: 1, Topology: directory.Hash{1, 2, 3}, Signature: [64]byte{63: 9}}
	for range 3 {
		if err := s.PutHead(t.Context(), h); err != nil {
			t.Fatalf("put the head: %v", err)
		}
		want(h)
		s = reopen()
		want(h)
		h.Sequence += 1 << 40
		h.Topology[31]++
		h.Signature[0]++
	}
	wantRecords(t, s)
}
