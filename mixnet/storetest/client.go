package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
)

// Client tests a [client.Store].
func Client(t *testing.T, fresh func(t *testing.T) (reopen func() client.Store)) {
	t.Run("Registrations", func(t *testing.T) { clientRegistrations(t, fresh(t)) })
	t.Run("ManyAtOnce", func(t *testing.T) { clientAtOnce(t, fresh(t)) })
}

func wantRegistration(t *testing.T, s client.Store, id, gw keys.Identity, want client.Registration) {
	t.Helper()
	got, ok, err := s.Load(context.Background(), id, gw)
	if err != nil || ok != (want.Key != nil) {
		t.Fatalf("load: %v, %v", ok, err)
	}
	if ok && !got.Key.Equal(want.Key) || !got.Last.Equal(want.Last) {
		t.Errorf("another key, or last at %v, want %v", got.Last, want.Last)
	}
}

func clientRegistrations(t *testing.T, reopen func() client.Store) {
	ctx := t.Context()
	s := reopen()
	alice, bob, gw1, gw2 := someone(), someone(), someone(), someone()
	save := func(id, gw keys.Identity, r client.Registration) {
		t.Helper()
		if err := s.Save(ctx, id, gw, r); err != nil {
			t.Fatalf("save: %v", err)
		}
	}
	reg := func(key byte, last int64) client.Registration {
		r := client.Registration{Key: sessionKey(key)}
		if last != 0 {
			r.Last = time.Unix(last, 0)
		}
		return r
	}
	wantRegistration(t, s, alice, gw1, client.Registration{})
	save(alice, gw1, reg(1, 0)) // never authenticated
	save(alice, gw2, reg(2, 20))
	save(bob, gw1, reg(3, 30))
	for range 2 {
		wantRegistration(t, s, alice, gw1, reg(1, 0))
		wantRegistration(t, s, alice, gw2, reg(2, 20))
		wantRegistration(t, s, bob, gw1, reg(3, 30))
		wantRegistration(t, s, bob, gw2, client.Registration{})
		wantRegistration(t, s, gw1, alice, client.Registration{}) // the two are not alike
		s = reopen()
	}
	save(alice, gw1, reg(4, 1_800_000_000))
	s = reopen()
	wantRegistration(t, s, alice, gw1, reg(4, 1_800_000_000))
	wantRegistration(t, s, alice, gw2, reg(2, 20))
}

func clientAtOnce(t *testing.T, reopen func() client.Store) {
	s := reopen()
	ids := make([]keys.Identity, 16)
	gw := someone()
	var wg sync.WaitGroup
	for i := range ids {
		ids[i] = someone()
		wg.Go(func() {
			for round := range 4 {
				r := client.Registration{Key: sessionKey(byte(i)), Last: time.Unix(int64(round), 0)}
				if err := s.Save(t.Context(), ids[i], gw, r); err != nil {
					t.Errorf("save: %v", err)
				}
				if _, ok, err := s.Load(t.Context(), ids[i], gw); !ok || err != nil {
					t.Errorf("load: %v, %v", ok, err)
				}
			}
		})
	}
	wg.Wait()
	s = reopen()
	for i, id := range ids {
		wantRegistration(t, s, id, gw, client.Registration{Key: sessionKey(byte(i)), Last: time.Unix(3, 0)})
	}
}
