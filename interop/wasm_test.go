package interop

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// big is a message of many fragments.
const big = 100_000

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func want(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %d bytes, want %d: %.40q", what, len(got), len(want), got)
	}
}

// A reply of many fragments needs more SURBs than came with the question: the
// one who answers asks for more.
func TestWasmLongReplies(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast(), PlainLinks: true})
	longReplies(t, w, w.foreign(t, `{"clientId":"interop"}`))
}

func longReplies(t *testing.T, w *world, nym *foreign) {
	our := w.ours(t, w.network.Gateways()[0].Identity, client.Traffic{})

	t.Run("ours answers", func(t *testing.T) {
		nym.ask(t, our.Address(), []byte("tell me all"), 5)
		m := our.receive(t, "an anonymous message")
		if err := our.Reply(context.Background(), m.From, noise(big), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		want(t, "reply", nym.want(t, "message").Body, noise(big))
	})
	t.Run("Nym's answers", func(t *testing.T) {
		tag := mixnet.NewSenderTag()
		err := our.Send(context.Background(), nym.address, []byte("tell me all"), mixnet.SendOptions{As: tag, SURBs: 5})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "body", nym.want(t, "message").Body, []byte("tell me all"))
		nym.reply(t, tag, noise(big))
		m := our.receive(t, "a long reply")
		want(t, "reply", m.Body, noise(big))
		if m.To != tag {
			t.Errorf("the reply came for tag %v, want %v", m.To, tag)
		}
	})
}

// What Nym's client can be set to, each with a message there and back.
func TestWasmOptions(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	our := w.ours(t, w.network.Gateways()[0].Identity, client.Traffic{})
	last := w.network.Gateways()[len(w.network.Gateways())-1].Identity
	for name, options := range map[string]string{
		"a gateway by name": `{"clientId":"a","preferredGateway":"` + last.String() + `"}`,
		"extended topology": `{"clientId":"b","clientOverride":{"topology":{"useExtendedTopology":true}}}`,
		"extended packets":  `{"clientId":"c","clientOverride":{"traffic":{"useExtendedPacketSize":true}}}`,
		"legacy format":     `{"clientId":"d","clientOverride":{"traffic":{"useLegacySphinxFormat":true}}}`,
		"no cover":          `{"clientId":"e","clientOverride":{"coverTraffic":{"disableLoopCoverTrafficStream":true},"traffic":{"disableMainPoissonPacketDistribution":true}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			nym := w.foreign(t, options)
			nym.ask(t, our.Address(), noise(20_000), 10)
			m := our.receive(t, "an anonymous message")
			want(t, "body", m.Body, noise(20_000))
			if err := our.Reply(context.Background(), m.From, []byte("back"), mixnet.SendOptions{}); err != nil {
				t.Fatal(err)
			}
			want(t, "reply", nym.want(t, "message").Body, []byte("back"))
		})
	}
}

// Nym's client of 2026 (nodes.md §5.1, generation B) registers at a gateway of
// ours and talks to itself and to a client of ours, in every way it knows.
func TestWasmClient(t *testing.T) {
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	converse(t, w, w.foreign(t, `{"clientId":"interop"}`))
}

// The same, where each node and the directory are processes of our programs.
func TestWasmClientOnPrograms(t *testing.T) {
	w := runPrograms(t, network{})
	converse(t, w, w.foreign(t, `{"clientId":"interop"}`))
}

// converse has Nym's client talk to itself and to one of ours.
func converse(t *testing.T, w *world, nym *foreign) {
	gateways := w.network.Gateways()
	our := w.ours(t, gateways[len(gateways)-1].Identity, client.Traffic{})

	t.Run("to itself", func(t *testing.T) {
		nym.send(t, nym.address, []byte("hello self"))
		want(t, "body", nym.want(t, "message").Body, []byte("hello self"))
	})
	t.Run("to ours", func(t *testing.T) {
		nym.send(t, our.Address(), []byte("hello Go"))
		m := our.receive(t, "a plain message")
		want(t, "body", m.Body, []byte("hello Go"))
		if !m.From.IsZero() || !m.To.IsZero() {
			t.Errorf("a plain message has tags: %v, %v", m.From, m.To)
		}
	})
	t.Run("from ours", func(t *testing.T) {
		done := make(chan error, 1)
		err := our.Send(context.Background(), nym.address, []byte("hello wasm"), mixnet.SendOptions{SURBs: -1, Done: func(err error) { done <- err }})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "body", nym.want(t, "message").Body, []byte("hello wasm"))
		our.wantDone(t, "message", done)
	})
	t.Run("anonymous to ours and back", func(t *testing.T) {
		nym.ask(t, our.Address(), []byte("who am I"), 10)
		m := our.receive(t, "an anonymous message")
		want(t, "body", m.Body, []byte("who am I"))
		if m.From.IsZero() {
			t.Fatal("an anonymous message without a tag")
		}
		if err := our.Reply(context.Background(), m.From, []byte("nobody knows"), mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		want(t, "reply", nym.want(t, "message").Body, []byte("nobody knows"))
	})
	t.Run("anonymous from ours and back", func(t *testing.T) {
		tag := mixnet.NewSenderTag()
		err := our.Send(context.Background(), nym.address, []byte("guess who"), mixnet.SendOptions{As: tag, SURBs: 10})
		if err != nil {
			t.Fatal(err)
		}
		e := nym.want(t, "message")
		want(t, "body", e.Body, []byte("guess who"))
		if !bytes.Equal(e.Tag, tag[:]) {
			t.Fatalf("Nym's client sees tag %x, want %x", e.Tag, tag[:])
		}
		nym.reply(t, tag, []byte("you"))
		m := our.receive(t, "a reply")
		want(t, "reply", m.Body, []byte("you"))
		if m.To != tag {
			t.Errorf("the reply came for tag %v, want %v", m.To, tag)
		}
	})
	t.Run("many fragments to ours", func(t *testing.T) {
		nym.send(t, our.Address(), noise(big))
		want(t, "body", our.receive(t, "a long message").Body, noise(big))
	})
	t.Run("many fragments from ours", func(t *testing.T) {
		done := make(chan error, 1)
		err := our.Send(context.Background(), nym.address, noise(big), mixnet.SendOptions{SURBs: -1, Done: func(err error) { done <- err }})
		if err != nil {
			t.Fatal(err)
		}
		want(t, "body", nym.want(t, "message").Body, noise(big))
		our.wantDone(t, "long message", done)
	})
}
