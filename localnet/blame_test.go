package localnet

import (
	crand "crypto/rand"
	"io"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/wire"
)

// hardening.md H15: "a node cannot see inside what its clients and the nodes before
// it send". One client floods its gateway with packets whose MACs are wrong: at the
// first mix, or, behind a good first layer, at the second. Everybody else goes on
// as if nothing were.
func TestH15OneClientsGarbageStopsNobody(t *testing.T) {
	undisturbed := exchangesUnder(t, "")
	if undisturbed < 50 {
		t.Fatalf("%d exchanges without an attack", undisturbed)
	}
	for _, at := range []string{"first mix", "second mix"} {
		if got := exchangesUnder(t, at); got < undisturbed*95/100 {
			t.Errorf("garbage for the %s: %d exchanges, %d without it", at, got, undisturbed)
		}
	}
}

// exchangesUnder counts what one stream exchanges in 15 seconds, in a network
// where all packets take the same way, while another client sends 1 150 packets
// of garbage a second.
func exchangesUnder(t *testing.T, at string) (done int) {
	inWorld(t, Spec{Traffic: client.Fast(), MixesPerLayer: 1}, func(w *world) {
		w.serve(80, echo)
		c := w.mustDial(80)
		defer c.Close()
		if at != "" {
			w.sendGarbage(at == "first mix")
		}
		time.Sleep(3 * time.Second)
		end := time.Now().Add(15 * time.Second)
		c.SetDeadline(end)
		for {
			c.Write([]byte("0123456789abcdef"))
			if _, err := io.ReadFull(c, make([]byte, 16)); err != nil {
				break
			}
			done++
			time.Sleep(100 * time.Millisecond)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, nd := range w.nodes {
			if nd.gateway != nil {
				if n := nd.gateway.Stats().Node.Pool; at == "first mix" && n.Connects > uint64(len(w.nodes)) {
					t.Errorf("%s connected %d times", nd.name, n.Connects)
				}
			}
		}
	})
	return done
}

// sendGarbage has a client of the first gateway send, until the world ends,
// packets that no mix can read.
func (w *world) sendGarbage(first bool) {
	w.t.Helper()
	gw, m1, m2 := w.Topology().Gateways()[0], w.Topology().Layer(1)[0], w.Topology().Layer(2)[0]
	conn, err := session.Dial(w.ctx, gw.Clients, w.inside.DialContext)
	if err != nil {
		w.t.Fatal(err)
	}
	key, v, err := session.Register(w.ctx, conn, keys.NewIdentityKey(), gw.Identity)
	if err != nil {
		w.t.Fatal(err)
	}
	live := session.NewClient(conn, protocol.NewSealer(key), v, func([]byte) {})
	w.wg.Go(func() { live.Run(w.ctx) })
	var builder sphinx.Builder
	wrong := keys.NewSphinxKey().Public()
	garbage := func() []byte {
		b := make([]byte, mixnet.AckSize.Total())
		crand.Read(b)
		if first {
			return b
		}
		job := sphinx.Job{Route: []sphinx.Hop{{Addr: m1.Addr, Key: m1.Sphinx}, {Addr: m2.Addr, Key: wrong}}, Packet: b}
		crand.Read(job.Secret[:])
		crand.Read(job.Padding[:])
		if err := builder.Build([]sphinx.Job{job}); err != nil {
			w.t.Error(err)
		}
		return job.Packet
	}
	w.wg.Go(func() {
		for w.ctx.Err() == nil {
			for range 115 {
				if live.Send(w.ctx, wire.MixPacket{Next: m1.Addr, Rotation: mixnet.RotationOdd, Packet: garbage()}) != nil {
					return
				}
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-w.ctx.Done():
			}
		}
	})
}
