package storetest

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

func legacyKey(b byte) *keys.LegacySession {
	return keys.LegacySessionFromBytes([keys.LegacySessionSize]byte{b})
}

// hardening.md H22: "An identity with a current key can never be registered anew
// by the legacy opening. Legacy clients have their own … key bucket."
func accountsLegacy(t *testing.T, reopen func() sessionserver.Accounts) {
	ctx := t.Context()
	a := reopen()
	alice, bob := someone(), someone()
	want := func(id keys.Identity, key *keys.LegacySession, seen uint64) {
		t.Helper()
		acc, err := a.Lookup(ctx, id)
		if err != nil {
			t.Fatalf("look up: %v", err)
		}
		if acc.Key != nil || acc.Legacy == nil || !acc.Legacy.Equal(key) || acc.Seen != seen {
			t.Errorf("another key, or seen %d; want %d", acc.Seen, seen)
		}
	}
	wantCurrent := func(id keys.Identity, key *keys.Session, seen uint64) {
		t.Helper()
		acc, err := a.Lookup(ctx, id)
		if err != nil {
			t.Fatalf("look up: %v", err)
		}
		if acc.Legacy != nil || acc.Key == nil || !acc.Key.Equal(key) || acc.Seen != seen {
			t.Errorf("another key, or seen %d; want %d", acc.Seen, seen)
		}
	}
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	seen := func(id keys.Identity, at uint64) {
		t.Helper()
		if ok, err := a.Seen(ctx, id, at); !ok || err != nil {
			t.Fatalf("seen at %d: %v, %v", at, ok, err)
		}
	}
	do("register", a.RegisterLegacy(ctx, alice, legacyKey(1)))
	do("register", a.Register(ctx, bob, sessionKey(2)))
	a = reopen()
	want(alice, legacyKey(1), 0)
	if err := a.RegisterLegacy(ctx, bob, legacyKey(3)); !errors.Is(err, sessionserver.ErrCurrentKey) {
		t.Errorf("a legacy key in place of a current one: %v, want ErrCurrentKey", err)
	}
	wantCurrent(bob, sessionKey(2), 0)

	// A second legacy registration takes the place of the first.
	seen(alice, 7)
	do("register again", a.RegisterLegacy(ctx, alice, legacyKey(4)))
	want(alice, legacyKey(4), 7)
	a = reopen()
	want(alice, legacyKey(4), 7)

	// With a current key the client leaves the legacy bucket for good.
	do("upgrade", a.Register(ctx, alice, sessionKey(5)))
	wantCurrent(alice, sessionKey(5), 7)
	if err := a.RegisterLegacy(ctx, alice, legacyKey(1)); !errors.Is(err, sessionserver.ErrCurrentKey) {
		t.Errorf("back to a legacy key: %v, want ErrCurrentKey", err)
	}
	a = reopen()
	wantCurrent(alice, sessionKey(5), 7)
	seen(alice, 8)
	a = reopen()
	wantCurrent(alice, sessionKey(5), 8)

	carol := someone()
	do("register", a.RegisterLegacy(ctx, carol, legacyKey(6)))
	for _, id := range []keys.Identity{alice, carol} {
		do("forget", a.Forget(ctx, id))
		a = reopen()
		if _, err := a.Lookup(ctx, id); !errors.Is(err, sessionserver.ErrUnknownClient) {
			t.Errorf("look up the forgotten: %v", err)
		}
	}
	do("register a forgotten client", a.RegisterLegacy(ctx, alice, legacyKey(7)))
	want(alice, legacyKey(7), 0)
}

func spend(t *testing.T, a sessionserver.Accounts, id keys.Identity, nonce string, want bool) {
	t.Helper()
	if got, err := a.Spend(t.Context(), id, []byte(nonce)); got != want || err != nil {
		t.Errorf("spend %q: %v, %v; want %v", nonce, got, err, want)
	}
}

// H22: "Freshness of authentication is persisted before it is accepted".
func accountsSpend(t *testing.T, reopen func() sessionserver.Accounts) {
	ctx := t.Context()
	a := reopen()
	old, current := someone(), someone()
	if ok, err := a.Spend(ctx, old, []byte("n")); ok || !errors.Is(err, sessionserver.ErrUnknownClient) {
		t.Errorf("nobody spent: %v, %v", ok, err)
	}
	if err := errors.Join(a.RegisterLegacy(ctx, old, legacyKey(1)), a.Register(ctx, current, sessionKey(2))); err != nil {
		t.Fatal(err)
	}
	for _, id := range []keys.Identity{old, current} { // one's nonces are not the other's
		spend(t, a, id, "a nonce of 16 by", true)
		spend(t, a, id, "a nonce of 16 by", false)
		spend(t, a, id, "of 12 bytes.", true)
		a = reopen()
		spend(t, a, id, "a nonce of 16 by", false)
		spend(t, a, id, "of 12 bytes.", false)
		spend(t, a, id, "another", true)
	}
	// Under another key the nonces are other ones.
	if err := errors.Join(a.RegisterLegacy(ctx, old, legacyKey(3)), a.Register(ctx, current, sessionKey(4))); err != nil {
		t.Fatal(err)
	}
	a = reopen()
	for _, id := range []keys.Identity{old, current} {
		spend(t, a, id, "another", true)
		// Who has dated an authentication has no need of undated ones.
		if ok, err := a.Seen(ctx, id, 5); !ok || err != nil {
			t.Fatalf("seen: %v, %v", ok, err)
		}
		spend(t, a, id, "a fresh one", false)
		a = reopen()
		spend(t, a, id, "a fresh one", false)
	}
	if err := a.Forget(ctx, old); err != nil {
		t.Fatal(err)
	}
	if err := a.RegisterLegacy(ctx, old, legacyKey(5)); err != nil {
		t.Fatal(err)
	}
	spend(t, a, old, "another", true)
}

// Of those who come with the same nonce at once, one is accepted.
func accountsSpendAtOnce(t *testing.T, a sessionserver.Accounts) {
	id := someone()
	if err := a.RegisterLegacy(t.Context(), id, legacyKey(1)); err != nil {
		t.Fatal(err)
	}
	for round := range byte(5) {
		var accepted atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ok, err := a.Spend(t.Context(), id, []byte{round})
				if err != nil {
					t.Errorf("spend: %v", err)
				}
				if ok {
					accepted.Add(1)
				}
			})
		}
		wg.Wait()
		if got := accepted.Load(); got != 1 {
			t.Errorf("nonce %d was accepted %d times", round, got)
		}
	}
}

// Nobody fills the store: after MaxSpent there is no next one, until the client
// has another key.
func accountsSpendTooMany(t *testing.T, reopen func() sessionserver.Accounts) {
	a := reopen()
	id := someone()
	if err := a.RegisterLegacy(t.Context(), id, legacyKey(1)); err != nil {
		t.Fatal(err)
	}
	next := make(chan uint64, sessionserver.MaxSpent)
	for i := range uint64(sessionserver.MaxSpent) {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range 512 { // who writes at the same time shares the disk
		wg.Go(func() {
			for i := range next {
				if ok, err := a.Spend(t.Context(), id, binary.BigEndian.AppendUint64(nil, i)); !ok || err != nil {
					t.Errorf("nonce %d: %v, %v", i, ok, err)
					return
				}
			}
		})
	}
	wg.Wait()
	spend(t, a, id, "one more", false)
	a = reopen()
	spend(t, a, id, "one more", false)
	if err := a.RegisterLegacy(t.Context(), id, legacyKey(2)); err != nil {
		t.Fatal(err)
	}
	spend(t, a, id, "one more", true)
}
