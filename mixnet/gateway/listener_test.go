package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/admit"
	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/topology"
)

const (
	portWS   = "10.0.0.4:9000"
	portWSS  = "10.0.0.4:9001"
	portName = "gateway.example"
)

// certified makes a certificate for portName, and what trusts it.
func certified(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{portName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: portName}
}

// Entrances are a listener's plain port and its port for TLS, and what came in.
type entrances struct {
	*listener
	net *simnet.Network
	wg  sync.WaitGroup

	mu sync.Mutex
	in []net.Conn
}

func withEntrances(t *testing.T, l admit.Limits, test func(t *testing.T, d *entrances, client *tls.Config)) {
	synctest.Test(t, func(t *testing.T) {
		server, client := certified(t)
		d := &entrances{net: simnet.New()}
		plain, err := d.net.Listen(portWS)
		if err != nil {
			t.Fatal(err)
		}
		secure, err := d.net.Listen(portWSS)
		if err != nil {
			t.Fatal(err)
		}
		a := admission{limits: admit.New(l), slots: admit.NewSlots(2)}
		d.listener = a.listen([]net.Listener{plain, TLS(secure, server)}, zerolog.Nop())
		d.wg.Go(func() {
			for {
				c, err := d.Accept()
				if err != nil {
					return
				}
				d.mu.Lock()
				d.in = append(d.in, c)
				d.mu.Unlock()
			}
		})
		test(t, d, client)
		d.Close()
		d.wait()
		d.wg.Wait()
		for _, c := range d.in {
			c.Close()
		}
		if d.limits.In() != 0 || d.slots.Taken() != 0 {
			t.Errorf("in the end %d places and %d slots are taken", d.limits.In(), d.slots.Taken())
		}
	})
}

// dial opens a connection, which ends with the test.
func (d *entrances) dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	c, err := d.net.Host(from).DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	synctest.Wait() // it has its place, or none
	return c
}

func (d *entrances) entered() int {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.in)
}

// closed reports whether the far end has closed c, which said nothing before.
func closed(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(time.Nanosecond))
	n, err := c.Read(make([]byte, 1))
	var late net.Error
	return n == 0 && err != nil && !(errors.As(err, &late) && late.Timeout())
}

// hardening.md H23: "limits per IPv4 /32 and IPv6 /56", and one for all, which
// both ports share. nodes.md §1.1: "further TCP connections are dropped without
// a reply".
func TestH23PlacesForClients(t *testing.T) {
	withEntrances(t, admit.Limits{Places: 6, PlacesPerPrefix: 2}, func(t *testing.T, d *entrances, _ *tls.Config) {
		d.dial(t, "198.51.100.1", portWS)
		d.dial(t, "198.51.100.1", portWSS)
		for _, at := range []string{portWS, portWSS} {
			if c := d.dial(t, "198.51.100.1", at); !closed(c) {
				t.Errorf("a third connection from one address, to %s, stays", at)
			}
		}
		d.dial(t, "2001:db8::1", portWSS)
		d.dial(t, "2001:db8:0:ff::1", portWS)
		if c := d.dial(t, "2001:db8:0:fe::2", portWS); d.entered() != 2 || !closed(c) {
			t.Error("a third connection from one /56 stays")
		}
		d.dial(t, "2001:db8:0:100::1", portWS) // the /56 beside it
		d.dial(t, "198.51.100.2", portWSS)
		if c := d.dial(t, "198.51.100.3", portWSS); d.entered() != 3 || !closed(c) {
			t.Error("a seventh connection stays")
		}
		if n := d.limits.Refused(); n != 4 {
			t.Errorf("%d turned away, want 4", n)
		}
		d.in[0].Close() // and again, which must not count twice
		d.in[0].Close()
		d.dial(t, "198.51.100.3", portWS)
		if n := d.entered(); n != 4 {
			t.Errorf("%d came in, want 4, since one left", n)
		}
	})
}

// hardening.md H23: half-open TCP connections and half-open handshakes of TLS
// are gone after a moment, and take no part in what is computed.
func TestH23HalfOpenTLS(t *testing.T) {
	withEntrances(t, admit.Limits{}, func(t *testing.T, d *entrances, client *tls.Config) {
		silent := d.dial(t, "198.51.100.1", portWSS)
		partial := d.dial(t, "198.51.100.1", portWSS)
		partial.Write([]byte{22, 3, 1, 1, 0, 1})
		synctest.Wait()
		if n := d.slots.Taken(); n > 1 { // who sent a part may hold one until it is found to be a part
			t.Errorf("%d slots are taken", n)
		}
		noise := d.dial(t, "198.51.100.1", portWSS)
		noise.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		synctest.Wait()
		if b, err := io.ReadAll(noise); len(b) > 16 || err != nil {
			t.Errorf("who does not speak TLS is told %q, %v", b, err)
		}
		time.Sleep(upgradePatience - time.Millisecond)
		if d.limits.In() != 2 || closed(silent) {
			t.Errorf("%d places taken before the time is over, want 2", d.limits.In())
		}
		time.Sleep(2 * time.Millisecond)
		if !closed(silent) || !closed(partial) || d.limits.In() != 0 {
			t.Errorf("%d places taken by those who do not shake hands", d.limits.In())
		}
	})
}

// nodes.md §1.1: "1.5 s to finish the HTTP upgrade". Whoever asks for something
// else is answered once, and is gone too.
func TestH23HalfOpenWebSocket(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		dial := func(say string) net.Conn {
			c, err := s.net.Host("198.51.100.9").DialContext(s.ctx, "tcp", gatewayWS)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, say)
			return c
		}
		silent, partial := dial(""), dial("GET / HTTP/1.1\r\nHost: x\r\n")
		page := dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		began := time.Now()
		if b, err := io.ReadAll(page); len(b) == 0 || err != nil || time.Since(began) > time.Second {
			t.Errorf("a request for a page: %d bytes, %v, and an end after %v", len(b), err, time.Since(began))
		}
		io.ReadAll(silent)
		io.ReadAll(partial)
		if took := time.Since(began); took > upgradePatience+time.Millisecond {
			t.Errorf("who does not upgrade was held for %v", took)
		}
		synctest.Wait()
		if n := s.admission.limits.In(); n != 0 {
			t.Errorf("%d places are taken yet", n)
		}
	})
}

// hardening.md H23: "Handshakes run in a bounded pool of low priority".
func TestH23TLSHandshakesTakeTurns(t *testing.T) {
	withEntrances(t, admit.Limits{}, func(t *testing.T, d *entrances, client *tls.Config) {
		d.slots.Take(t.Context())
		d.slots.Take(t.Context())
		c := tls.Client(d.dial(t, "198.51.100.1", portWSS), client)
		done := make(chan error, 1)
		go func() { done <- c.HandshakeContext(t.Context()) }()
		if d.entered() != 0 {
			t.Fatal("a handshake without a slot")
		}
		// One that waits for its client, not for us, is in nobody's way.
		for range 100 - 1 {
			d.dial(t, "198.51.100.2", portWSS)
		}
		synctest.Wait()
		d.slots.Give()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if d.entered() != 1 || d.slots.Taken() != 1 {
			t.Errorf("%d came in, %d slots taken", d.entered(), d.slots.Taken())
		}
		// No slot within the time: it gives up.
		d.slots.Take(t.Context())
		began := time.Now()
		late := tls.Client(d.dial(t, "198.51.100.3", portWSS), client)
		if err := late.HandshakeContext(t.Context()); err == nil || time.Since(began) > upgradePatience {
			t.Errorf("without a slot: %v after %v", err, time.Since(began))
		}
		d.slots.Give()
		d.slots.Give()
	})
}

// hardening.md H23: a flood of WebSocket upgrades or registrations from many
// addresses is let in no faster than it can be served. Who is turned away takes
// no part in the pace.
func TestH23ClientsComeAtAPace(t *testing.T) {
	withEntrances(t, admit.Limits{Rate: 5}, func(t *testing.T, d *entrances, _ *tls.Config) {
		ctx, stop := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		for i := range 30 {
			flood.Go(func() {
				c, err := d.net.Host(fmt.Sprintf("198.51.100.%d", i)).DialContext(ctx, "tcp", portWS)
				if err != nil {
					return
				}
				<-ctx.Done()
				c.Close()
			})
		}
		if n := d.entered(); n != 6 { // the pace holds up the one after the fifth
			t.Errorf("%d came in at once, want 6", n)
		}
		time.Sleep(time.Second + time.Millisecond)
		if n := d.entered(); n != 11 {
			t.Errorf("%d came in within a second, want 11", n)
		}
		stop()
		flood.Wait()
	})
}

// nodes.md §1.1: "a client that wants it connects to wss://". All that goes over
// a plain WebSocket goes over one with TLS.
func TestSessionOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		network := simnet.New()
		identity := keys.NewIdentityKey()
		g, err := New(Config{Identity: identity, Node: mixnode.Config{
			Keys:     mixnode.Keys{Primary: mixnode.Key{Rotation: mixnode.NoRotation, Key: keys.NewSphinxKey()}},
			Addr:     mixnet.NodeAddrFrom(netip.MustParseAddrPort("10.0.0.4:1789")),
			Topology: func() *topology.Network { return nil },
		}})
		if err != nil {
			t.Fatal(err)
		}
		mix, err := network.Listen("10.0.0.4:1789")
		if err != nil {
			t.Fatal(err)
		}
		secure, err := network.Listen(portWSS)
		if err != nil {
			t.Fatal(err)
		}
		server, client := certified(t)
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx, mix, TLS(secure, server)) }()

		// The TLS below the WebSocket is ours, for the certificate is no authority's.
		dial := func(ctx context.Context, netw, addr string) (net.Conn, error) {
			c, err := network.Host("198.51.100.1").DialContext(ctx, netw, addr)
			if err != nil {
				return nil, err
			}
			return tls.Client(c, client), nil
		}
		id := keys.NewIdentityKey()
		conn, err := session.Dial(ctx, "ws://"+portWSS, dial)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := session.Register(ctx, conn, id, identity.Public()); err != nil {
			t.Error(err)
		}
		conn.Close(1000, "")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := g.Stats().Session.Registered; n != 1 || g.admission.limits.In() != 0 {
			t.Errorf("%d registrations, %d places taken at the end", n, g.admission.limits.In())
		}
		synctest.Wait()
	})
}

func TestNoPortForClients(t *testing.T) {
	if err := (&Server{}).serve(t.Context(), nil); err == nil {
		t.Error("a gateway without a port for clients ran")
	}
}
