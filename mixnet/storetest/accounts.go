package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// someone is a new identity.
func someone() keys.Identity { return keys.NewIdentityKey().Public() }

func sessionKey(b byte) *keys.Session { return keys.SessionFromBytes([keys.SessionSize]byte{b}) }

// Accounts tests a [gateway.Accounts].
func Accounts(t *testing.T, fresh func(t *testing.T) (reopen func() sessionserver.Accounts)) {
	t.Run("Registration", func(t *testing.T) { accountsRegister(t, fresh(t)) })
	t.Run("Seen", func(t *testing.T) { accountsSeen(t, fresh(t)) })
	t.Run("SeenAtOnce", func(t *testing.T) { accountsSeenAtOnce(t, fresh(t)()) })
	t.Run("ManyAtOnce", func(t *testing.T) { accountsAtOnce(t, fresh(t)) })
	t.Run("LegacyRegistration", func(t *testing.T) { accountsLegacy(t, fresh(t)) })
	t.Run("Spend", func(t *testing.T) { accountsSpend(t, fresh(t)) })
	t.Run("SpendAtOnce", func(t *testing.T) { accountsSpendAtOnce(t, fresh(t)()) })
	t.Run("SpendTooMany", func(t *testing.T) { accountsSpendTooMany(t, fresh(t)) })
}

func accountsRegister(t *testing.T, reopen func() sessionserver.Accounts) {
	ctx := t.Context()
	a := reopen()
	alice, bob := someone(), someone()
	want := func(id keys.Identity, key *keys.Session, seen uint64) {
		t.Helper()
		acc, err := a.Lookup(ctx, id)
		if err != nil {
			t.Fatalf("look up: %v", err)
		}
		if acc.Key == nil || acc.Legacy != nil || !acc.Key.Equal(key) || acc.Seen != seen {
			t.Errorf("another key, or seen %d; want %d", acc.Seen, seen)
		}
	}
	unknown := func(id keys.Identity) {
		t.Helper()
		if _, err := a.Lookup(ctx, id); !errors.Is(err, sessionserver.ErrUnknownClient) {
			t.Errorf("look up nobody: %v", err)
		}
		if ok, err := a.Seen(ctx, id, 1); ok || !errors.Is(err, sessionserver.ErrUnknownClient) {
			t.Errorf("nobody was seen: %v, %v", ok, err)
		}
	}
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	unknown(alice)
	do("forget nobody", a.Forget(ctx, alice))
	do("register", a.Register(ctx, alice, sessionKey(1)))
	do("register", a.Register(ctx, bob, sessionKey(2)))
	want(alice, sessionKey(1), 0)
	a = reopen()
	want(alice, sessionKey(1), 0)
	want(bob, sessionKey(2), 0)

	// A second registration takes the place of the first, but old
	// authentications stay old (H22).
	if ok, err := a.Seen(ctx, alice, 77); !ok || err != nil {
		t.Fatalf("seen: %v, %v", ok, err)
	}
	do("register again", a.Register(ctx, alice, sessionKey(3)))
	want(alice, sessionKey(3), 77)
	a = reopen()
	want(alice, sessionKey(3), 77)

	do("forget", a.Forget(ctx, alice))
	unknown(alice)
	want(bob, sessionKey(2), 0)
	a = reopen()
	unknown(alice)
	want(bob, sessionKey(2), 0)
}

// nodes.md §1.5: "timestamp strictly greater than the last accepted one for
// this identity (persisted)". H22: a crash does not open it again.
func accountsSeen(t *testing.T, reopen func() sessionserver.Accounts) {
	ctx := t.Context()
	a := reopen()
	id := someone()
	if err := a.Register(ctx, id, sessionKey(1)); err != nil {
		t.Fatal(err)
	}
	for i, tc := range []struct {
		at    uint64
		want  bool
		crash bool
	}{
		{0, false, false},
		{10, true, false}, {10, false, false}, {9, false, false},
		{10, false, true}, {9, false, true}, {11, true, false}, {11, false, true},
		{1 << 40, true, false}, {12, false, true}, {1<<64 - 1, true, false}, {1<<64 - 1, false, true},
	} {
		if tc.crash {
			a = reopen()
		}
		if got, err := a.Seen(ctx, id, tc.at); got != tc.want || err != nil {
			t.Errorf("step %d: seen at %d: %v, %v; want %v", i, tc.at, got, err, tc.want)
		}
	}
}

// Of those who come with the same time at once, one is accepted.
func accountsSeenAtOnce(t *testing.T, a sessionserver.Accounts) {
	ctx := t.Context()
	id := someone()
	if err := a.Register(ctx, id, sessionKey(1)); err != nil {
		t.Fatal(err)
	}
	for at := range uint64(5) {
		var accepted atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ok, err := a.Seen(ctx, id, 100+at)
				if err != nil {
					t.Errorf("seen: %v", err)
				}
				if ok {
					accepted.Add(1)
				}
			})
		}
		wg.Wait()
		if got := accepted.Load(); got != 1 {
			t.Errorf("time %d was accepted %d times", 100+at, got)
		}
	}
}

func accountsAtOnce(t *testing.T, reopen func() sessionserver.Accounts) {
	ctx := t.Context()
	a := reopen()
	ids := make([]keys.Identity, 16)
	var wg sync.WaitGroup
	for i := range ids {
		ids[i] = someone()
		wg.Go(func() {
			for round := range byte(4) {
				if err := a.Register(ctx, ids[i], sessionKey(byte(i)+round)); err != nil {
					t.Errorf("register: %v", err)
				}
				if ok, err := a.Seen(ctx, ids[i], uint64(round)+1); !ok || err != nil {
					t.Errorf("seen: %v, %v", ok, err)
				}
			}
			if i%2 == 1 {
				if err := a.Forget(ctx, ids[i]); err != nil {
					t.Errorf("forget: %v", err)
				}
			}
		})
	}
	wg.Wait()
	a = reopen()
	for i, id := range ids {
		acc, err := a.Lookup(ctx, id)
		if i%2 == 1 {
			if !errors.Is(err, sessionserver.ErrUnknownClient) {
				t.Errorf("client %d was forgotten: %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		if !acc.Key.Equal(sessionKey(byte(i)+3)) || acc.Seen != 4 {
			t.Errorf("client %d: another key, or seen %d, want 4", i, acc.Seen)
		}
	}
}
