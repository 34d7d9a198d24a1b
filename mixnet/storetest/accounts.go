package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// someone is a new identity.
func someone() keys.Identity { return keys.NewIdentityKey().Public() }

func sessionKey(b byte) *keys.Session { return keys.SessionFromBytes([keys.SessionSize]byte{b}) }

// Accounts tests a [gateway.Accounts].
func Accounts(t *testing.T, limited func(t *testing.T, l gateway.Limits) (reopen func() gateway.Accounts)) {
	fresh := func(t *testing.T) func() sessionserver.Accounts {
		reopen := limited(t, gateway.Limits{})
		return func() sessionserver.Accounts { return reopen() }
	}
	t.Run("Prove", func(t *testing.T) { accountsProve(t, limited(t, gateway.Limits{})) })
	t.Run("Expiry", func(t *testing.T) { accountsExpire(t, limited(t, gateway.Limits{})) })
	t.Run("TooMany", func(t *testing.T) { accountsTooMany(t, limited(t, gateway.Limits{Clients: 3})) })
	t.Run("TooManyAtOnce", func(t *testing.T) { accountsTooManyAtOnce(t, limited(t, gateway.Limits{Clients: 10})()) })
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

func accountsProve(t *testing.T, reopen func() gateway.Accounts) {
	ctx := t.Context()
	a := reopen()
	alice, bob := someone(), someone()
	want := func(id keys.Identity, proved bool) {
		t.Helper()
		if acc, err := a.Lookup(ctx, id); err != nil || acc.Proved != proved {
			t.Errorf("proved: %v, %v; want %v", acc.Proved, err, proved)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Prove(ctx, alice); !errors.Is(err, sessionserver.ErrUnknownClient) {
		t.Errorf("nobody proved: %v", err)
	}
	do(a.Register(ctx, alice, sessionKey(1)))
	do(a.RegisterLegacy(ctx, bob, keys.LegacySessionFromBytes([keys.LegacySessionSize]byte{2})))
	if _, err := a.Seen(ctx, alice, 9); err != nil {
		t.Fatal(err)
	}
	want(alice, false) // to log in proves nothing
	want(bob, false)
	do(a.Prove(ctx, alice))
	do(a.Prove(ctx, alice))
	do(a.Prove(ctx, bob))
	a = reopen()
	want(alice, true)
	want(bob, true)
	do(a.Register(ctx, alice, sessionKey(3))) // a new key is not a new client
	do(a.Register(ctx, bob, sessionKey(4)))
	want(alice, true)
	want(bob, true)
	do(a.Forget(ctx, alice))
	do(a.Register(ctx, alice, sessionKey(5)))
	a = reopen()
	want(alice, false)
}

// Registrations that are not used age out, and so do clients that are long gone.
func accountsExpire(t *testing.T, reopen func() gateway.Accounts) {
	ctx := t.Context()
	a := reopen()
	never, proved, legacy, came := someone(), someone(), someone(), someone()
	register := func() {
		t.Helper()
		if err := errors.Join(
			a.Register(ctx, never, sessionKey(1)),
			a.Register(ctx, proved, sessionKey(2)),
			a.RegisterLegacy(ctx, legacy, keys.LegacySessionFromBytes([keys.LegacySessionSize]byte{3})),
			a.Prove(ctx, proved),
			a.Register(ctx, came, sessionKey(4)),
		); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Seen(ctx, came, 1); err != nil { // it logged in
			t.Fatal(err)
		}
	}
	there := func(want ...keys.Identity) {
		t.Helper()
		for _, id := range []keys.Identity{never, proved, legacy, came} {
			_, err := a.Lookup(ctx, id)
			if (err == nil) != slices.Contains(want, id) || err != nil && !errors.Is(err, sessionserver.ErrUnknownClient) {
				t.Errorf("look up: %v, of %d that are to be there", err, len(want))
			}
		}
	}
	expire := func(unproved, absent time.Time, want int) {
		t.Helper()
		if n, err := a.ExpireAccounts(ctx, unproved, absent); n != want || err != nil {
			t.Errorf("%d expired, %v; want %d", n, err, want)
		}
	}
	register()
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	expire(past, past, 0)
	there(never, proved, legacy, came)
	expire(future, past, 2)
	there(proved, came)
	a = reopen()
	there(proved, came)
	register()
	expire(past, future, 2)
	there(never, legacy)
	expire(future, future, 2)
	a = reopen()
	there()
	// Many, of which some stay.
	const many = 1500
	var kept []keys.Identity
	var wg sync.WaitGroup
	for part := range 10 {
		wg.Go(func() {
			for i := range many / 10 {
				id := someone()
				if err := a.Register(ctx, id, sessionKey(byte(i))); err != nil {
					t.Errorf("register: %v", err)
				}
				if part == 0 && i < 5 {
					if err := a.Prove(ctx, id); err != nil {
						t.Errorf("prove: %v", err)
					}
					kept = append(kept, id)
				}
			}
		})
	}
	wg.Wait()
	expire(future, past, many-len(kept))
	for _, id := range kept {
		if _, err := a.Lookup(ctx, id); err != nil {
			t.Errorf("a client that proved itself: %v", err)
		}
	}
}

func accountsTooMany(t *testing.T, reopen func() gateway.Accounts) {
	ctx := t.Context()
	a := reopen()
	legacyKey := keys.LegacySessionFromBytes([keys.LegacySessionSize]byte{3})
	alice, bob, carol := someone(), someone(), someone()
	step := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	step("first", a.Register(ctx, alice, sessionKey(1)), nil)
	step("second", a.RegisterLegacy(ctx, bob, legacyKey), nil)
	step("third", a.Register(ctx, carol, sessionKey(1)), nil)
	step("fourth", a.Register(ctx, someone(), sessionKey(1)), sessionserver.ErrTooManyClients)
	step("fourth, legacy", a.RegisterLegacy(ctx, someone(), legacyKey), sessionserver.ErrTooManyClients)
	a = reopen()
	step("fourth again", a.Register(ctx, someone(), sessionKey(1)), sessionserver.ErrTooManyClients)
	step("first again", a.Register(ctx, alice, sessionKey(2)), nil)
	step("second, with another kind of key", a.Register(ctx, bob, sessionKey(2)), nil)
	step("forget", a.Forget(ctx, bob), nil)
	step("forget nobody", a.Forget(ctx, bob), nil)
	step("in its place", a.RegisterLegacy(ctx, someone(), legacyKey), nil)
	step("beyond", a.Register(ctx, someone(), sessionKey(1)), sessionserver.ErrTooManyClients)
	if _, err := a.ExpireAccounts(ctx, time.Now().Add(time.Hour), time.Time{}); err != nil {
		t.Errorf("expire: %v", err)
	}
	for i := range 3 {
		step(fmt.Sprint("after expiry ", i), a.Register(ctx, someone(), sessionKey(1)), nil)
	}
	step("beyond again", a.Register(ctx, someone(), sessionKey(1)), sessionserver.ErrTooManyClients)
}

func accountsTooManyAtOnce(t *testing.T, a gateway.Accounts) {
	var registered atomic.Int64
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			switch err := a.Register(t.Context(), someone(), sessionKey(1)); {
			case err == nil:
				registered.Add(1)
			case !errors.Is(err, sessionserver.ErrTooManyClients):
				t.Errorf("register: %v", err)
			}
		})
	}
	wg.Wait()
	if n := registered.Load(); n != 10 {
		t.Errorf("%d registered with room for 10", n)
	}
}
