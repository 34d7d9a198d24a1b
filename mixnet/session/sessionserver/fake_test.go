package sessionserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/netip"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// A fakeGateway has the accounts and traffic of a small gateway, with the
// duplicate rule of nodes.md §1.9.
type fakeGateway struct {
	tb       testing.TB
	identity *keys.IdentityKey
	server   *Server
	wg       sync.WaitGroup

	mu       sync.Mutex // guards the following
	accounts map[keys.Identity]Account
	spent    map[string]bool // nonces
	live     map[keys.Identity]*Session
	took     map[keys.Identity]time.Time // when a session took the place of one that lived
	admit    error                       // if set, nobody may register
	forget   error                       // if set, nobody is forgotten
	reject   bool                        // packets are not accepted
	packets  []wire.MixPacket
	fresh    int
	written  uint64 // at the last fresh frame
	online   []*Session
	gone     []*Session
	ended    []error
}

func newFakeGateway(tb testing.TB, change func(*Config)) *fakeGateway {
	tb.Helper()
	g := &fakeGateway{
		tb: tb, identity: keys.NewIdentityKey(),
		accounts: map[keys.Identity]Account{}, spent: map[string]bool{}, live: map[keys.Identity]*Session{}, took: map[keys.Identity]time.Time{},
	}
	cfg := Config{Identity: g.identity, Accounts: g, Handler: g, KeepAlive: -1}
	if change != nil {
		change(&cfg)
	}
	var err error
	if g.server, err = New(cfg); err != nil {
		tb.Fatal(err)
	}
	return g
}

func (g *fakeGateway) Admit(_ context.Context, client keys.Identity) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live[client] != nil && time.Since(g.took[client]) < time.Minute {
		return ErrDuplicate
	}
	return g.admit
}

func (g *fakeGateway) Register(_ context.Context, client keys.Identity, key *keys.Session) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[client] = Account{Key: key}
	return nil
}

func (g *fakeGateway) RegisterLegacy(_ context.Context, client keys.Identity, key *keys.LegacySession) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.accounts[client].Key != nil {
		return ErrCurrentKey
	}
	g.accounts[client] = Account{Legacy: key}
	return nil
}

func (g *fakeGateway) Seen(_ context.Context, client keys.Identity, at uint64) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	acc := g.accounts[client]
	if at <= acc.Seen {
		return false, nil
	}
	acc.Seen = at
	g.accounts[client] = acc
	return true, nil
}

func (g *fakeGateway) Spend(_ context.Context, client keys.Identity, nonce []byte) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.accounts[client].Seen > 0 || g.spent[string(nonce)] {
		return false, nil
	}
	g.spent[string(nonce)] = true
	return true, nil
}

func (g *fakeGateway) Lookup(_ context.Context, client keys.Identity) (Account, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	acc, ok := g.accounts[client]
	if !ok {
		return Account{}, ErrUnknownClient
	}
	return acc, nil
}

func (g *fakeGateway) Forget(_ context.Context, client keys.Identity) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.forget == nil {
		delete(g.accounts, client)
	}
	return g.forget
}

func (g *fakeGateway) Claim(ctx context.Context, s *Session) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	acc := g.accounts[s.Client()]
	if at := s.AuthenticatedAt(); at != 0 && at <= acc.Seen {
		return ErrStale
	}
	if older := g.live[s.Client()]; older != nil {
		g.mu.Unlock()
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		err := older.Ping(ctx)
		cancel()
		g.mu.Lock()
		if err == nil && time.Since(g.took[s.Client()]) < time.Minute {
			return ErrDuplicate
		}
		if err == nil {
			g.took[s.Client()] = time.Now()
		}
		older.Evict()
	}
	if at := s.AuthenticatedAt(); at != 0 {
		acc.Seen = at
		g.accounts[s.Client()] = acc
	}
	g.live[s.Client()] = s
	return nil
}

func (g *fakeGateway) Online(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.online = append(g.online, s)
}

func (g *fakeGateway) Fresh(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fresh++
	g.written = s.Written()
}

func (g *fakeGateway) Packet(_ *Session, p wire.MixPacket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.Packet = bytes.Clone(p.Packet)
	g.packets = append(g.packets, p)
	return !g.reject
}

func (g *fakeGateway) Gone(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = append(g.gone, s)
	if g.live[s.Client()] == s {
		delete(g.live, s.Client())
	}
}

// session gives the live session of a client, or fails.
func (g *fakeGateway) session(client keys.Identity) *Session {
	g.tb.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.live[client]
	if s == nil {
		g.tb.Fatal("client has no live session")
	}
	return s
}

func (g *fakeGateway) counts() (packets, fresh, online, gone int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.packets), g.fresh, len(g.online), len(g.gone)
}

// connect serves one end of a new Pipe and gives the other.
func (g *fakeGateway) connect(ctx context.Context) session.MessageConn {
	near, far := session.Pipe()
	g.serve(ctx, far)
	return near
}

func (g *fakeGateway) serve(ctx context.Context, conn session.MessageConn) {
	g.wg.Go(func() {
		err := g.server.Serve(ctx, conn)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.ended = append(g.ended, err)
	})
}

// lastEnd waits for all connections to end and gives the last reason.
func (g *fakeGateway) lastEnd() error {
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.ended) == 0 {
		g.tb.Fatal("no connection ended")
	}
	return g.ended[len(g.ended)-1]
}

// account makes a registered client.
func (g *fakeGateway) account() (*keys.IdentityKey, *protocol.Sealer) {
	id := keys.NewIdentityKey()
	var b [keys.SessionSize]byte
	rand.Read(b[:])
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[id.Public()] = Account{Key: keys.SessionFromBytes(b)}
	return id, protocol.NewSealer(keys.SessionFromBytes(b))
}

var hop6 = mixnet.NodeAddrFrom(netip.MustParseAddrPort("[2001:db8::7]:1789"))
