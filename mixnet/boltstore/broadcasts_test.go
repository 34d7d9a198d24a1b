package boltstore

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/broadcast/service"
	"nym-socks5/mixnet/storetest"
)

func TestBroadcasts(t *testing.T) {
	storetest.Broadcasts(t, func(t *testing.T) func() service.Store {
		reopen := crashes(t, OpenBroadcasts)
		return func() service.Store { return reopen() }
	})
}

// Many rows are removed in several writes.
func TestBroadcastsAreTrimmedInGroups(t *testing.T) {
	b, err := OpenBroadcasts(filepath.Join(t.TempDir(), "broadcasts.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.file.db.NoSync = true
	key := func(n int) service.Key {
		return service.Key{Chain: "x", Hash: broadcast.Hash{byte(n), byte(n >> 8)}}
	}
	const n = 2*trimGroup + 10
	for i := range n {
		r := service.Record{Result: broadcast.Accepted, At: time.Unix(int64(i), 0)}
		if err := b.Save(t.Context(), key(i), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Trim(t.Context(), time.Unix(n-1, 0), time.Unix(0, 0), 1<<30); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, there, err := b.Load(t.Context(), key(i)); err != nil || there != (i == n-1) {
			t.Fatalf("row %d is there: %v, %v", i, there, err)
		}
	}
}

func FuzzParseBroadcast(f *testing.F) {
	r := service.Record{Result: broadcast.Refused, Reply: []byte("no"), At: time.Unix(5, 0)}
	f.Add(appendOutcome(nil, r))
	f.Add(appendQueued(nil, service.Key{Chain: "bitcoin"}, service.Record{Tx: []byte{1}, Due: time.Unix(5, 0), Until: time.Unix(9, 0)}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if r, err := parseOutcome(in); err == nil {
			if out := appendOutcome(nil, r); !bytes.Equal(in, out) {
				t.Fatalf("%x parses as %+v, which is written as %x", in, r, out)
			}
		}
		if k, r, err := parseQueued(in); err == nil {
			if out := appendQueued(nil, k, r); !bytes.Equal(in, out) {
				t.Fatalf("%x parses as %+v, %+v, which is written as %x", in, k, r, out)
			}
		}
	})
}
