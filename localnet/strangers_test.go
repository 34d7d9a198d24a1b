package localnet

import (
	"io"
	"net"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// stranger runs one more client of the network until the test ends.
func (w *world) stranger() *client.Client {
	w.t.Helper()
	c, err := w.NewClient(client.Config{
		Entries: []client.Entry{{Gateway: w.Topology().Gateways()[0].Identity}}, Traffic: client.Fast(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.wg.Go(func() { c.Run(w.ctx) })
	<-c.Ready()
	return c
}

// hardening.md H14: "number of tags". A stranger who draws more tags than a requester
// keeps, with a SURB for each, does not make it forget those of a stream that is
// silent meanwhile.
func TestH14TagsOfStreamsArePinned(t *testing.T) {
	const answer = 100_000
	inWorld(t, Spec{Traffic: client.Fast(), MixesPerLayer: 1}, func(w *world) {
		w.serve(80, func(c net.Conn) {
			io.ReadFull(c, make([]byte, 4))
			c.Write([]byte("here"))
			time.Sleep(30 * time.Second) // a long poll
			c.Write(make([]byte, answer))
		})
		c := w.mustDial(80)
		defer c.Close()
		c.Write([]byte("ask."))
		io.ReadFull(c, make([]byte, 4))
		began := time.Now()
		s := w.stranger()
		for range 4100 {
			o := mixnet.SendOptions{As: mixnet.NewSenderTag(), SURBs: 1}
			if err := s.Send(w.ctx, w.Requester(), []byte{1}, o); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Fatalf("the stranger was done after %v only", took)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		if n, err := io.ReadFull(c, make([]byte, answer)); err != nil {
			t.Errorf("%d of %d bytes, %v", n, answer, err)
		}
	})
}
