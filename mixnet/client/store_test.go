package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// once runs a client until it has had a session, lets it work, and ends it.
func (n *fakeNet) once(ctx context.Context, cfg Config, work func(*testClient)) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if cfg.Entries == nil {
		cfg.Entries = []Entry{n.entry(0, nil)}
	}
	cfg.Topology, cfg.Dial, cfg.Traffic = n.topology, n.dial, Fast()
	c, err := New(cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	select {
	case <-c.Ready():
		work(&testClient{c, n.t, ctx})
	case <-time.After(time.Hour):
		n.t.Error("no session within an hour")
	}
	cancel()
	if err := <-ended; err != nil {
		n.t.Errorf("client: %v", err)
	}
	synctest.Wait() // the gateway has noticed
}

// account is what the gateway knows a client by.
func (n *fakeNet) account(id keys.Identity) any {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.accounts[id]
}

// A client with the same keys and store is the same client: it has its address,
// and does not register again.
func TestRegistrationSurvivesRestart(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		store := NewMemoryStore()
		cfg := Config{Entries: []Entry{n.entry(0, keys.NewIdentityKey())}, Encryption: keys.NewEncryptionKey(), Ack: keys.NewAck(), Store: store}
		id, gw := cfg.Entries[0].Identity.Public(), n.nw.Gateways()[0].Identity
		var address mixnet.Recipient
		n.once(ctx, cfg, func(c *testClient) { address = c.Address() })
		registered := n.account(id)
		var last time.Time
		for i := range 3 { // all within the same second: each authenticates with a later one
			n.once(ctx, cfg, func(c *testClient) {
				if got := c.Address(); got != address {
					t.Errorf("start %d: another address", i)
				}
				c.send(c.Address(), []byte("to myself"), mixnet.SendOptions{})
				c.want([]byte("to myself"))
			})
			if got := n.account(id); got != registered {
				t.Errorf("start %d: the client registered again", i)
			}
			r, ok, err := store.Load(ctx, id, gw)
			if err != nil || !ok || r.Last.Unix() <= last.Unix() {
				t.Errorf("start %d: authenticated at %v after %v (%v, %v)", i, r.Last, last, ok, err)
			}
			last = r.Last
		}
	})
}

// A gateway that has forgotten a client whose store remembers it.
func TestRegistrationIsRenewed(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		store := NewMemoryStore()
		cfg := Config{Entries: []Entry{n.entry(0, keys.NewIdentityKey())}, Store: store}
		id, gw := cfg.Entries[0].Identity.Public(), n.nw.Gateways()[0].Identity
		n.once(ctx, cfg, func(*testClient) {})
		old, _, _ := store.Load(ctx, id, gw)
		n.Forget(ctx, id)
		n.once(ctx, cfg, func(*testClient) {})
		fresh, ok, _ := store.Load(ctx, id, gw)
		if !ok || fresh.Key.Equal(old.Key) {
			t.Error("the store has the old key")
		}
	})
}

// A brokenStore fails.
type brokenStore struct {
	loads int // that fail
	saved int
}

var errBroken = errors.New("disk on fire")

func (s *brokenStore) Load(context.Context, keys.Identity, keys.Identity) (Registration, bool, error) {
	if s.loads--; s.loads >= 0 {
		return Registration{}, false, errBroken
	}
	return Registration{}, false, nil
}

func (s *brokenStore) Save(context.Context, keys.Identity, keys.Identity, Registration) error {
	s.saved++
	return errBroken
}

// What the store cannot tell is asked again; what it cannot keep does not stop
// the client.
func TestBrokenStore(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		s := &brokenStore{loads: 2}
		n.once(ctx, Config{Store: s}, func(c *testClient) {
			c.send(c.Address(), []byte("to myself"), mixnet.SendOptions{})
			c.want([]byte("to myself"))
		})
		if s.loads != -1 || s.saved != 1 {
			t.Errorf("%d loads left, %d saved; want -1 and 1", s.loads, s.saved)
		}
	})
}
