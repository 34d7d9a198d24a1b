package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/broadcast/service"
)

// Broadcasts tests a [service.Store].
func Broadcasts(t *testing.T, fresh func(t *testing.T) (reopen func() service.Store)) {
	t.Run("Records", func(t *testing.T) { broadcastRecords(t, fresh(t)) })
	t.Run("Trim", func(t *testing.T) { broadcastTrim(t, fresh(t)) })
	t.Run("ManyAtOnce", func(t *testing.T) { broadcastsAtOnce(t, fresh(t)) })
}

func broadcastKey(chain string, n byte) service.Key {
	return service.Key{Chain: chain, Hash: broadcast.Hash{n}}
}

func queuedTx(tx string) service.Record {
	return service.Record{
		Result: broadcast.Queued, Digest: sha256.Sum256([]byte(tx)), Tx: []byte(tx),
		Due: time.Unix(100, 0), Until: time.Unix(200, 0), Mean: time.Minute,
	}
}

func outcomeAt(r broadcast.Result, second int64, reply string) service.Record {
	return service.Record{Result: r, Digest: sha256.Sum256([]byte(reply)), Reply: []byte(reply), At: time.Unix(second, 0)}
}

// wantBroadcast wants a record under a key; nil: none.
func wantBroadcast(t *testing.T, s service.Store, k service.Key, want *service.Record) {
	t.Helper()
	got, there, err := s.Load(t.Context(), k)
	switch {
	case err != nil || there != (want != nil):
		t.Fatalf("load: %v, %v", there, err)
	case !there:
		return
	}
	if len(got.Tx) == 0 {
		got.Tx = nil
	}
	if len(got.Reply) == 0 {
		got.Reply = nil
	}
	if !reflect.DeepEqual(got, *want) {
		t.Errorf("got %+v, want %+v", got, *want)
	}
}

func saveBroadcast(t *testing.T, s service.Store, k service.Key, r service.Record) {
	t.Helper()
	if err := s.Save(t.Context(), k, r); err != nil {
		t.Fatal(err)
	}
}

func wantQueued(t *testing.T, s service.Store, want map[service.Key]service.Record) {
	t.Helper()
	got := make(map[service.Key]service.Record)
	err := s.Queued(t.Context(), func(k service.Key, r service.Record) { got[k] = r })
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("queued: got %+v, %v; want %+v", got, err, want)
	}
}

func broadcastRecords(t *testing.T, reopen func() service.Store) {
	s := reopen()
	a, b := broadcastKey("bitcoin", 1), broadcastKey("testnet", 1)
	wantBroadcast(t, s, a, nil)
	wantQueued(t, s, map[service.Key]service.Record{})
	first, other := queuedTx("a transaction"), queuedTx("another")
	saveBroadcast(t, s, a, first)
	saveBroadcast(t, s, b, other)
	s = reopen()
	wantBroadcast(t, s, a, &first)
	wantBroadcast(t, s, b, &other)
	wantBroadcast(t, s, broadcastKey("bitcoin", 2), nil)
	wantQueued(t, s, map[service.Key]service.Record{a: first, b: other})

	for _, r := range []service.Record{
		outcomeAt(broadcast.Refused, 50, "no"), outcomeAt(broadcast.Unavailable, 60, ""), first,
		outcomeAt(broadcast.Known, 70, "had it"), outcomeAt(broadcast.Accepted, 80, "yes"),
	} {
		if len(r.Reply) == 0 {
			r.Reply = nil
		}
		r.Cut = r.Result == broadcast.Known
		saveBroadcast(t, s, a, r)
		s = reopen()
		wantBroadcast(t, s, a, &r)
	}
	wantQueued(t, s, map[service.Key]service.Record{b: other})
}

func broadcastTrim(t *testing.T, reopen func() service.Store) {
	s := reopen()
	reply := string(make([]byte, 1000))
	there := make(map[byte]service.Record)
	for n := range byte(40) {
		r := outcomeAt(broadcast.Accepted, int64(n), reply)
		switch {
		case n >= 30:
			r = queuedTx(fmt.Sprint(n))
		case n%2 == 0:
			r = outcomeAt(broadcast.Refused, int64(n), reply)
		}
		there[n] = r
		saveBroadcast(t, s, broadcastKey("bitcoin", n), r)
	}
	wantThere := func(what string, want func(n byte) bool) {
		t.Helper()
		for n, r := range there {
			_, got, err := s.Load(t.Context(), broadcastKey("bitcoin", n))
			if err != nil || got != want(n) {
				t.Errorf("%s: %d (%s) is there: %v, %v", what, n, r.Result, got, err)
			}
		}
	}
	trim := func(lasting, others, most int64) {
		t.Helper()
		if err := s.Trim(t.Context(), time.Unix(lasting, 0), time.Unix(others, 0), most); err != nil {
			t.Fatal(err)
		}
		s = reopen()
	}
	trim(0, 0, 1<<30)
	wantThere("nothing is old", func(byte) bool { return true })
	trim(5, 20, 1<<30)
	wantThere("some are old", func(n byte) bool { return n >= 30 || n >= 20 && n%2 == 0 || n >= 5 && n%2 == 1 })
	// Five that pass and thirteen that last are left.
	five := there[5]
	size := five.Size()
	trim(0, 0, 14*size)
	wantThere("fourteen may stay", func(n byte) bool { return n >= 30 || n == 28 || n >= 5 && n%2 == 1 })
	trim(0, 0, 2*size)
	wantThere("two may stay", func(n byte) bool { return n >= 30 || n == 29 || n == 27 })
	// What is saved anew is as young as that.
	saveBroadcast(t, s, broadcastKey("bitcoin", 27), outcomeAt(broadcast.Accepted, 100, reply))
	trim(0, 0, size)
	wantThere("one may stay", func(n byte) bool { return n >= 30 || n == 27 })
	saveBroadcast(t, s, broadcastKey("bitcoin", 27), queuedTx("x"))
	trim(1000, 1000, 0)
	wantThere("what waits stays", func(n byte) bool { return n >= 30 || n == 27 })
}

func broadcastsAtOnce(t *testing.T, reopen func() service.Store) {
	s := reopen()
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for n := range byte(32) {
		wg.Go(func() {
			k := broadcastKey("bitcoin", n)
			errs <- errors.Join(s.Save(t.Context(), k, queuedTx("x")), s.Save(t.Context(), k, outcomeAt(broadcast.Accepted, 1, "yes")))
		})
		wg.Go(func() { errs <- s.Trim(t.Context(), time.Unix(0, 0), time.Unix(0, 0), 1<<30) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	s = reopen()
	want := outcomeAt(broadcast.Accepted, 1, "yes")
	for n := range byte(32) {
		wantBroadcast(t, s, broadcastKey("bitcoin", n), &want)
	}
}
