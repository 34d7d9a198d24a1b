package storetest

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
)

// Directory tests a [dirserver.Store].
func Directory(t *testing.T, fresh func(t *testing.T) (reopen func() dirserver.Store)) {
	t.Run("Records", func(t *testing.T) { directoryRecords(t, fresh(t)) })
	t.Run("Head", func(t *testing.T) { directoryHead(t, fresh(t)) })
	t.Run("Fork", func(t *testing.T) { directoryFork(t, fresh(t)()) })
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

// headAt is head n of a chain of one document a minute.
func headAt(n uint64, name byte) (directory.Head, dirserver.Entry) {
	at := time.Date(2026, 5, 16, 6, 0, 0, int(n), time.UTC).Add(time.Duration(n) * time.Minute)
	h := directory.Head{
		Network: "testnet", Sequence: n, Topology: directory.Hash{name, byte(n), byte(n >> 8)},
		Signature: [64]byte{63: byte(n)}, Chain: directory.Hash{31: byte(n)}, ChainSignature: [64]byte{name},
	}
	return h, dirserver.Entry{
		Sequence: n, Chain: h.Chain, Issued: at, Link: directory.Link{ValidAfter: at.Add(30 * time.Second), Topology: h.Topology},
	}
}

func wantHead(t *testing.T, s dirserver.Store, h directory.Head) {
	t.Helper()
	if got, err := s.Head(t.Context()); got != h || err != nil {
		t.Errorf("head: %+v, %v; want %+v", got, err, h)
	}
}

// wantHistory wants exactly the entries with these numbers.
func wantHistory(t *testing.T, s dirserver.Store, from uint64, n int, want ...dirserver.Entry) {
	t.Helper()
	got, err := s.History(t.Context(), from, n)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("history from %d, at most %d:\ngot  %+v, %v\nwant %+v", from, n, got, err, want)
	}
}

func directoryHead(t *testing.T, reopen func() dirserver.Store) {
	s := reopen()
	wantHead(t, s, directory.Head{})
	wantHistory(t, s, 0, 10)
	var before directory.Head
	var all []dirserver.Entry
	for n := uint64(1); n <= 5; n++ {
		h, e := headAt(n, 'a')
		// Not after another one, not after none, not after what is there already.
		for _, wrong := range []directory.Head{{Sequence: n + 1}, {Sequence: before.Sequence, Topology: directory.Hash{99}}, h} {
			if err := s.PutHead(t.Context(), wrong, h, e); !errors.Is(err, dirserver.ErrMoved) {
				t.Errorf("head %d after %+v: %v, want ErrMoved", n, wrong, err)
			}
		}
		wantHead(t, s, before)
		if err := s.PutHead(t.Context(), before, h, e); err != nil {
			t.Fatalf("put head %d: %v", n, err)
		}
		before, all = h, append(all, e)
		for range 2 {
			wantHead(t, s, h)
			wantHistory(t, s, 0, 10, all...)
			s = reopen()
		}
	}
	wantHistory(t, s, 2, 2, all[1:3]...)
	wantHistory(t, s, 5, 2, all[4])
	wantHistory(t, s, 6, 2)
	wantRecords(t, s)

	// What is old goes, what is younger than KeepHistory stays.
	h, e := headAt(6, 'a')
	e.Issued = all[3].Issued.Add(directory.KeepHistory)
	if err := s.PutHead(t.Context(), before, h, e); err != nil {
		t.Fatal(err)
	}
	wantHistory(t, s, 4, 10, all[3], all[4], e)
	for n := uint64(7); n < 10; n++ { // it may go a little later
		before = h
		next, late := headAt(n, 'a')
		late.Issued = e.Issued
		if err := s.PutHead(t.Context(), before, next, late); err != nil {
			t.Fatal(err)
		}
		h = next
	}
	if got, err := s.History(t.Context(), 0, 1); err != nil || len(got) != 1 || got[0] != all[3] {
		t.Errorf("the oldest entry is %+v, %v; want %+v", got, err, all[3])
	}
}

// Several directories on one store: whatever they do, there is one chain, and
// each number in it belongs to one of them.
func directoryFork(t *testing.T, s dirserver.Store) {
	const writers, rounds = 4, 25
	var mu sync.Mutex
	won := make(map[uint64]byte)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			name := byte('a' + w)
			for range rounds {
				last, err := s.Head(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				h, e := headAt(last.Sequence+1, name)
				switch err := s.PutHead(t.Context(), last, h, e); {
				case err == nil:
					mu.Lock()
					if other, ok := won[h.Sequence]; ok {
						t.Errorf("head %d was stored by %c and by %c", h.Sequence, other, name)
					}
					won[h.Sequence] = name
					mu.Unlock()
				case !errors.Is(err, dirserver.ErrMoved):
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := s.History(t.Context(), 1, writers*rounds)
	if err != nil || len(all) != len(won) || len(won) < rounds {
		t.Fatalf("%d entries, %d were stored, %v", len(all), len(won), err)
	}
	for i, e := range all {
		if e.Sequence != uint64(i+1) || e.Topology[0] != won[e.Sequence] {
			t.Errorf("entry %d: %+v, stored by %c", i, e, won[e.Sequence])
		}
	}
	last, _ := headAt(uint64(len(won)), won[uint64(len(won))])
	wantHead(t, s, last)
}
