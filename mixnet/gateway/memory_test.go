package gateway

import (
	"errors"
	"slices"
	"testing"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

func TestMemoryAccounts(t *testing.T) {
	ctx := t.Context()
	a := NewMemoryAccounts()
	id := keys.NewIdentityKey().Public()
	if _, err := a.Lookup(ctx, id); !errors.Is(err, sessionserver.ErrUnknownClient) {
		t.Errorf("lookup of nobody: %v", err)
	}
	if _, err := a.Seen(ctx, id, 1); !errors.Is(err, sessionserver.ErrUnknownClient) {
		t.Errorf("nobody was seen: %v", err)
	}
	first, second := keys.SessionFromBytes([32]byte{1}), keys.SessionFromBytes([32]byte{2})
	a.Register(ctx, id, first)
	for _, tc := range []struct {
		at   uint64
		want bool
	}{{10, true}, {10, false}, {9, false}, {11, true}} { // nodes.md §1.5: "strictly greater"
		if got, err := a.Seen(ctx, id, tc.at); got != tc.want || err != nil {
			t.Errorf("seen at %d: %v (%v), want %v", tc.at, got, err, tc.want)
		}
	}
	a.Register(ctx, id, second)
	if acc, err := a.Lookup(ctx, id); err != nil || !acc.Key.Equal(second) || acc.Seen != 11 {
		t.Errorf("after a second registration: seen %d (%v), want the new key and 11", acc.Seen, err)
	}
	a.Forget(ctx, id)
	if _, err := a.Lookup(ctx, id); !errors.Is(err, sessionserver.ErrUnknownClient) {
		t.Errorf("lookup of somebody forgotten: %v", err)
	}
}

func TestMemoryInbox(t *testing.T) {
	ctx := t.Context()
	in := NewMemoryInbox(Limits{ClientBytes: 3 * (1 + mailCost)})
	a, b := keys.NewIdentityKey().Public(), keys.NewIdentityKey().Public()
	t0 := time.Unix(1000, 0)
	put := func(client keys.Identity, body byte, at time.Time) error {
		return in.Put(ctx, []Mail{{Client: client, Message: []byte{body}, Arrived: at}})[0]
	}
	bodies := func(client keys.Identity, after uint64, n int) (got []byte, last uint64) {
		mail, err := in.Fetch(ctx, client, after, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mail {
			got, last = append(got, m.Message...), m.ID
		}
		return got, last
	}
	for i := range byte(3) {
		if err := put(a, i, t0.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(a, 3, t0); !errors.Is(err, ErrFull) {
		t.Errorf("beyond a client's limit: %v", err)
	}
	put(b, 10, t0.Add(time.Hour))
	put(b, 11, t0.Add(time.Hour))
	got, last := bodies(a, 0, 2)
	if !slices.Equal(got, []byte{0, 1}) {
		t.Errorf("first two: %v", got)
	}
	if got, _ := bodies(a, last, 2); !slices.Equal(got, []byte{2}) {
		t.Errorf("after them: %v", got)
	}
	in.Delete(ctx, a, last)
	if got, _ := bodies(a, 0, 9); !slices.Equal(got, []byte{2}) {
		t.Errorf("after deleting two: %v", got)
	}
	if err := put(b, 12, t0.Add(3*time.Hour)); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	if n, err := in.Expire(ctx, t0.Add(150*time.Minute)); n != 3 || err != nil {
		t.Errorf("%d expired (%v), want 3", n, err)
	}
	if got, _ := bodies(b, 0, 9); !slices.Equal(got, []byte{12}) {
		t.Errorf("after expiry: %v", got)
	}
	if in.used.Total != 1+mailCost {
		t.Errorf("%d bytes counted for one message", in.used.Total)
	}
}
