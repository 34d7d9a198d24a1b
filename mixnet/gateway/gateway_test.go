package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/linktest"
	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// A site is one gateway with its neighbours: a last mix that sends packets in,
// and a first mix that notes what comes out.
type site struct {
	*Server
	t   *testing.T
	ctx context.Context
	net *simnet.Network
	wg  sync.WaitGroup

	identity *keys.IdentityKey
	sphinx   *keys.SphinxKey
	nw       *topology.Network
	in       *link.Pool
	builder  sphinx.Builder
	acks     *surb.Acks
	trust    *tls.Config    // of who comes to the port with TLS
	out      *linktest.Sink // in the place of the first mix
}

const (
	gatewayMix = "10.0.0.4:1789"
	gatewayWS  = "10.0.0.4:9000"
	gatewayWSS = "10.0.0.4:9001"
)

// inSite runs a test on virtual time against a gateway.
func inSite(t *testing.T, cfg Config, test func(s *site)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &site{
			t: t, ctx: ctx, net: simnet.New(),
			identity: keys.NewIdentityKey(), sphinx: keys.NewSphinxKey(), acks: surb.NewAcks(keys.NewAck()),
		}
		p := topology.Snapshot{Rotation: 1, Epoch: 1}
		for i, role := range []topology.Role{topology.RoleMix1, topology.RoleMix2, topology.RoleMix3, topology.RoleGateway} {
			node := topology.Node{
				ID: uint32(i + 1), Role: role, Identity: keys.NewIdentityKey().Public(), Sphinx: keys.NewSphinxKey().Public(),
				Addr: mixnet.NodeAddrFrom(netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:1789", i+1))),
			}
			if role == topology.RoleGateway {
				node.Identity, node.Sphinx = s.identity.Public(), s.sphinx.Public()
			}
			p.Nodes = append(p.Nodes, node)
		}
		var err error
		if s.nw, err = topology.New(p); err != nil {
			t.Fatal(err)
		}
		cfg.Identity = s.identity
		cfg.Node = mixnode.Config{
			Keys:     mixnode.Keys{Primary: mixnode.Key{Rotation: 1, Key: s.sphinx}},
			Addr:     p.Nodes[3].Addr,
			Workers:  1, // several do not keep the order of packets
			Topology: func() *topology.Network { return s.nw },
			Pool:     link.PoolConfig{Dial: s.net.Host("10.0.0.4").DialContext},
		}
		if s.Server, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		mix, err := s.net.Listen(gatewayMix)
		if err != nil {
			t.Fatal(err)
		}
		ws, err := s.net.Listen(gatewayWS)
		if err != nil {
			t.Fatal(err)
		}
		wss, err := s.net.Listen(gatewayWSS)
		if err != nil {
			t.Fatal(err)
		}
		server, trust := certified(t)
		s.trust = trust
		s.wg.Go(func() {
			if err := s.Run(ctx, mix, ws, TLS(wss, server)); err != nil {
				t.Errorf("gateway: %v", err)
			}
		})
		first, err := s.net.Listen("10.0.0.1:1789")
		if err != nil {
			t.Fatal(err)
		}
		s.out = linktest.Listen(t, first, nil)
		s.in = link.NewPool(link.PoolConfig{Dial: s.net.Host("10.0.0.3").DialContext})
		s.wg.Go(func() { s.in.Run(ctx) })
		synctest.Wait()
		test(s)
		cancel()
		s.wg.Wait()
		s.out.Stop()
		synctest.Wait()
	})
}

// taken gives what the first mix got since it was last asked.
func (s *site) taken() []linktest.Arrival { return s.out.Take(0) }

// message fills a regular packet's message.
func message(b byte) []byte {
	return bytes.Repeat([]byte{b}, mixnet.Regular.Plaintext()-mixnet.AckPrefixSize)
}

// inject sends a packet that ends at the gateway, and gives the ack inside it.
func (s *site) inject(to keys.Identity, body []byte) (ack []byte) {
	s.t.Helper()
	plain := make([]byte, mixnet.AckPrefixSize, mixnet.Regular.Plaintext())
	job := sphinx.Job{Route: []sphinx.Hop{{Addr: s.nw.Layer(1)[0].Addr, Key: s.nw.Layer(1)[0].Sphinx}}}
	if err := s.acks.Prepare(&job, fragment.ID{Set: 1, Pos: 1}, plain); err != nil {
		s.t.Fatal(err)
	}
	if err := s.builder.Build([]sphinx.Job{job}); err != nil {
		s.t.Fatal(err)
	}
	s.injectPlain(to, append(plain, body...), mixnet.Regular)
	return bytes.Clone(plain[mixnet.AckAddrPadded:])
}

func (s *site) injectPlain(to keys.Identity, plain []byte, size mixnet.PacketSize) {
	s.t.Helper()
	job := sphinx.Job{
		Route: []sphinx.Hop{{Addr: s.nw.Gateways()[0].Addr, Key: s.sphinx.Public()}},
		Dest:  to, Message: plain, Packet: make([]byte, size.Total()),
	}
	rand.Read(job.Secret[:])
	if err := s.builder.Build([]sphinx.Job{job}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.in.Send(s.nw.Gateways()[0].Addr, wire.Frame{Rotation: mixnet.RotationOdd, Packet: job.Packet}); err != nil {
		s.t.Fatal(err)
	}
}

// A visitor is one client and its sessions.
type visitor struct {
	s      *site
	tls    bool // comes to the port with TLS
	id     *keys.IdentityKey
	sealer *protocol.Sealer
	live   *session.Client
	conn   session.MessageConn
	done   chan struct{}
	last   time.Time

	mu  sync.Mutex
	got [][]byte
}

func (s *site) visitor() *visitor { return &visitor{s: s, id: keys.NewIdentityKey()} }

func (v *visitor) identity() keys.Identity { return v.id.Public() }

// dial opens a connection.
func (v *visitor) dial() session.MessageConn {
	v.s.t.Helper()
	at, dial := gatewayWS, v.s.net.Host("198.51.100.9").DialContext
	if v.tls {
		below := dial
		at, dial = gatewayWSS, func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := below(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return tls.Client(c, v.s.trust), nil
		}
	}
	conn, err := session.Dial(v.s.ctx, "ws://"+at, dial)
	if err != nil {
		v.s.t.Fatal(err)
	}
	return conn
}

func (v *visitor) receive(b []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.got = append(v.got, bytes.Clone(b))
}

// register opens a session by a registration.
func (v *visitor) register() {
	v.s.t.Helper()
	v.conn = v.dial()
	key, version, err := session.Register(v.s.ctx, v.conn, v.id, v.s.identity.Public())
	if err != nil {
		v.s.t.Fatal(err)
	}
	v.sealer = protocol.NewSealer(key)
	v.run(session.NewClient(v.conn, v.sealer, version, v.receive))
}

// login opens a session by an authentication.
func (v *visitor) login() error {
	v.conn = v.dial()
	now := time.Now()
	if !now.After(v.last.Add(time.Second)) {
		now = v.last.Add(time.Second)
	}
	v.last = now
	live, err := session.Authenticate(v.s.ctx, v.conn, v.id, v.sealer, now, v.receive)
	if err != nil {
		v.conn.Close(1000, "")
		return err
	}
	v.run(live)
	return nil
}

func (v *visitor) run(live *session.Client) {
	v.live, v.done = live, make(chan struct{})
	done := v.done
	v.s.wg.Go(func() {
		defer close(done)
		live.Run(v.s.ctx)
	})
	synctest.Wait()
}

func (v *visitor) leave() {
	v.conn.Close(1000, "")
	<-v.done
	synctest.Wait()
}

// speak sends one packet to the first mix.
func (v *visitor) speak() {
	v.s.t.Helper()
	p := wire.MixPacket{Next: v.s.nw.Layer(1)[0].Addr, Rotation: mixnet.RotationOdd, Packet: make([]byte, mixnet.Regular.Total())}
	if err := v.live.Send(v.s.ctx, p); err != nil {
		v.s.t.Fatal(err)
	}
	synctest.Wait()
}

// want compares what was pushed since it was last asked.
func (v *visitor) want(bodies ...[]byte) {
	v.s.t.Helper()
	synctest.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.got) != len(bodies) {
		v.s.t.Errorf("%d messages pushed, want %d", len(v.got), len(bodies))
	}
	for i := range min(len(v.got), len(bodies)) {
		if !bytes.Equal(v.got[i], bodies[i]) {
			v.s.t.Errorf("message %d begins %x, want %x", i, v.got[i][:4], bodies[i][:4])
		}
	}
	v.got = nil
}

// nodes.md §2.1: "Deliver the message … Then send the ack packet to its first hop"
func TestDelivers(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		v := s.visitor()
		v.register()
		v.speak() // nodes.md §1.11: online with the first frame
		s.taken()
		ack := s.inject(v.identity(), message(1))
		time.Sleep(time.Second)
		v.want(message(1))
		out := s.taken()
		if len(out) != 1 || !bytes.Equal(out[0].Packet, ack) || out[0].Rotation != mixnet.RotationOdd {
			t.Fatalf("%d frames sent on, want the ack under the packet's rotation", len(out))
		}
		// "the whole plaintext (21 bytes) is the message; there is no further ack"
		content := bytes.Repeat([]byte{9}, surb.AckSize)
		s.injectPlain(v.identity(), content, mixnet.AckSize)
		time.Sleep(time.Second)
		v.want(content)
		if out := s.taken(); len(out) != 0 {
			t.Errorf("%d frames sent on for a SURB-ACK", len(out))
		}
	})
}

// nodes.md §2.1: "Fewer than 405 bytes, an invalid address or an unparsable ack packet → drop the whole packet."
func TestBadAckDropsTheMessage(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		v := s.visitor()
		v.register()
		v.speak()
		s.taken()
		s.injectPlain(v.identity(), make([]byte, mixnet.Regular.Plaintext()), mixnet.Regular) // address of kind 0
		s.injectPlain(v.identity(), make([]byte, 404), mixnet.Regular)
		time.Sleep(time.Second)
		v.want()
		if out := s.taken(); len(out) != 0 {
			t.Errorf("%d frames sent on", len(out))
		}
		if n := s.Stats().Malformed; n != 2 {
			t.Errorf("%d counted as malformed, want 2", n)
		}
	})
}

func TestNobodyHome(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		s.inject(keys.NewIdentityKey().Public(), message(1))
		time.Sleep(time.Second)
		if out := s.taken(); len(out) != 0 {
			t.Errorf("a SURB-ACK for a client that is not registered here")
		}
		if n := s.Stats().Unknown; n != 1 {
			t.Errorf("%d messages for nobody, want 1", n)
		}
	})
}

// hardening.md H20: "Mail is deleted only after a later valid sealed frame of that session"
func TestH20MailWaitsForProof(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		v := s.visitor()
		v.register()
		v.leave()
		for i := range 250 { // more than are fetched at once
			s.inject(v.identity(), message(byte(i)))
		}
		time.Sleep(time.Second)
		if n := len(s.taken()); n != 250 {
			t.Fatalf("%d SURB-ACKs for 250 stored messages", n)
		}
		all := make([][]byte, 250)
		for i := range all {
			all[i] = message(byte(i))
		}
		for range 2 { // silent: the mail comes again
			if err := v.login(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			v.want(all...)
			v.leave()
		}
		if err := v.login(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		v.speak()
		time.Sleep(time.Second)
		v.want(all...)
		v.leave()
		if err := v.login(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		v.want()
	})
}

// Whoever is between the ends of a plain connection can answer a ping; behind
// TLS only the client can, and it has then read what was written before.
func TestH20AnsweredPingOverTLSIsProof(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		for _, tls := range []bool{true, false} {
			v := s.visitor()
			v.tls = tls
			v.register()
			v.leave()
			all := make([][]byte, 150) // more than are fetched at once
			for i := range all {
				all[i] = message(byte(i))
				s.inject(v.identity(), all[i])
			}
			time.Sleep(time.Second)
			if err := v.login(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // and it sends nothing at all
			v.want(all...)
			v.leave()
			if tls {
				all = nil
			}
			if err := v.login(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			v.want(all...)
			v.leave()
		}
	})
}

// A client behind TLS that does not read what it is sent answers no ping either.
func TestH20MailOfWhoDoesNotReadIsKept(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		v := s.visitor()
		v.tls = true
		v.register()
		v.leave()
		for i := range 3 {
			s.inject(v.identity(), message(byte(i)))
		}
		time.Sleep(time.Second)
		v.conn = v.dial()
		if _, err := session.Authenticate(s.ctx, v.conn, v.id, v.sealer, time.Now(), v.receive); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // nobody runs the session
		v.conn.Close(1000, "")
		v.got = nil // what came before the answer to the login
		v.last = time.Now()
		if err := v.login(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		v.want(message(0), message(1), message(2))
		v.leave()
	})
}

// hardening.md H19: "Online and stored mail release their SURB-ACK on the same schedule (the commit tick)."
func TestH19SURBAcksTellNotWhoIsThere(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		here, away := s.visitor(), s.visitor()
		here.register()
		here.speak()
		away.register()
		away.leave()
		s.taken()
		var took [2][]time.Duration
		for range 20 {
			for i, v := range []*visitor{here, away} {
				time.Sleep(time.Second)
				began := time.Now()
				s.inject(v.identity(), message(1))
				time.Sleep(100 * time.Millisecond)
				out := s.taken()
				if len(out) != 1 {
					t.Fatalf("%d SURB-ACKs, want 1", len(out))
				}
				took[i] = append(took[i], out[0].At.Sub(began))
			}
		}
		for i := range took[0] {
			if took[0][i] != took[1][i] || took[0][i] < commitEvery {
				t.Fatalf("SURB-ACKs after %v (here) and %v (away), want the same, not before a tick", took[0][i], took[1][i])
			}
		}
	})
}

// nodes.md §2.2: "messages older than 24 h are removed by an hourly job"
func TestOldMailIsRemoved(t *testing.T) {
	inbox := NewMemoryInbox(Limits{})
	inSite(t, Config{Inbox: inbox}, func(s *site) {
		v := s.visitor()
		v.register()
		v.speak() // else the registration is removed too
		v.leave()
		s.inject(v.identity(), message(1))
		time.Sleep(23 * time.Hour)
		s.inject(v.identity(), message(2))
		// The first message is older than a day, and the job of that hour has run:
		// not at this very instant.
		time.Sleep(2*time.Hour + time.Minute)
		if err := v.login(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		v.want(message(2))
	})
}

// nodes.md §2.1: "A Go gateway should withhold the ack if it could neither deliver nor store"
func TestFullInboxGivesNoSURBAck(t *testing.T) {
	inSite(t, Config{Inbox: NewMemoryInbox(Limits{ClientBytes: 3 * (1643 + mailCost)})}, func(s *site) {
		v := s.visitor()
		v.register()
		v.leave()
		for i := range 5 {
			s.inject(v.identity(), message(byte(i)))
		}
		time.Sleep(time.Second)
		if n := len(s.taken()); n != 3 {
			t.Errorf("%d SURB-ACKs with room for 3", n)
		}
		if st := s.Stats(); st.Stored != 3 || st.Refused != 2 {
			t.Errorf("stored %d, refused %d", st.Stored, st.Refused)
		}
		if err := v.login(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		v.want(message(0), message(1), message(2))
	})
}

// nodes.md §1.11: "on a session created by registration push nothing until the
// client has sent its first frame after register"
func TestRegistrationSessionIsSilent(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		v := s.visitor()
		v.register() // the client claims bandwidth at once: its first frame
		v.leave()
		s.inject(v.identity(), message(1))
		time.Sleep(time.Second)
		conn := v.dial()
		defer conn.Close(1000, "")
		key, version, err := session.Register(s.ctx, conn, v.id, s.identity.Public())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute / 2)
		v.want()
		v.conn, v.sealer = conn, protocol.NewSealer(key)
		v.run(session.NewClient(conn, v.sealer, version, v.receive))
		time.Sleep(time.Second)
		v.want(message(1))
	})
}

// nodes.md §3.6: "This applies to client-submitted packets at the entry gateway
// and to SURB-acks as well."
func TestEgressFilterForClients(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		v := s.visitor()
		v.register()
		v.speak()
		s.taken()
		for _, next := range []string{"10.0.0.1:1790", "127.0.0.1:1789", "10.0.0.2:1789"} { // nobody, nobody, layer 2
			p := wire.MixPacket{
				Next: mixnet.NodeAddrFrom(netip.MustParseAddrPort(next)), Rotation: mixnet.RotationOdd,
				Packet: make([]byte, mixnet.Regular.Total()),
			}
			if err := v.live.Send(s.ctx, p); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		st := s.Stats().Node
		if got := st.Dropped[mixnode.DropUnknownNext]; got != 2 {
			t.Errorf("%d packets to nobody dropped, want 2", got)
		}
		if got := st.Dropped[mixnode.DropOutboundLayer]; got != 1 {
			t.Errorf("%d packets to the wrong layer dropped, want 1", got)
		}
		if out := s.taken(); len(out) != 0 {
			t.Errorf("%d frames sent on", len(out))
		}
	})
}

func TestForgetMe(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		v := s.visitor()
		v.register()
		v.leave()
		s.inject(v.identity(), message(7))
		time.Sleep(time.Second)
		s.taken()
		if err := v.login(); err != nil {
			t.Fatal(err)
		}
		if err := v.live.Forget(s.ctx); err != nil {
			t.Fatal(err)
		}
		v.leave()
		v.got = nil
		var refused *session.RefusedError
		if err := v.login(); !errors.As(err, &refused) || !strings.Contains(refused.Text, "not registered") {
			t.Errorf("login after being forgotten: %v", err)
		}
		s.inject(v.identity(), message(1))
		time.Sleep(time.Second)
		if out := s.taken(); len(out) != 0 {
			t.Error("a SURB-ACK for a forgotten client")
		}
		v.register()
		time.Sleep(time.Second)
		v.want() // nodes.md §1.2: "deletes the client's stored messages"
	})
}

func TestH23ConnectionLimits(t *testing.T) {
	inSite(t, Config{MaxConns: 10, MaxConnsPerAddr: 3}, func(s *site) {
		dial := func(from string) error {
			c, err := session.Dial(s.ctx, "ws://"+gatewayWS, s.net.Host(from).DialContext)
			if err == nil {
				s.wg.Go(func() { <-s.ctx.Done(); c.Close(1000, "") })
			}
			return err
		}
		for i := range 3 {
			if err := dial("198.51.100.1"); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
		if dial("198.51.100.1") == nil {
			t.Error("a fourth connection from one address")
		}
		for i := range 7 {
			if err := dial(fmt.Sprintf("198.51.100.%d", 10+i)); err != nil {
				t.Fatalf("from another address: %v", err)
			}
		}
		if dial("198.51.100.99") == nil {
			t.Error("an eleventh connection")
		}
		if n := s.Stats().Turned; n != 2 {
			t.Errorf("%d turned away, want 2", n)
		}
		// nodes.md §1.1: 10 s of silence, and the places are free again, a second
		// later since nobody reads the farewell.
		time.Sleep(12 * time.Second)
		if err := dial("198.51.100.1"); err != nil {
			t.Errorf("after the silent ones were closed: %v", err)
		}
	})
}
