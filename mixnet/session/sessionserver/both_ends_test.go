package sessionserver

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

// Our client and our gateway, from nothing to a second session.
func TestBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGateway(t, nil)
		id := keys.NewIdentityKey()
		ctx, cancel := context.WithCancel(t.Context())

		conn := g.connect(t.Context())
		key, negotiated, err := session.Register(ctx, conn, id, g.identity.Public())
		if err != nil || negotiated != 6 {
			t.Fatalf("Register: version %d, %v", negotiated, err)
		}
		sealer := protocol.NewSealer(key)
		var mail sessiontest.Mailbox
		first := session.NewClient(conn, sealer, negotiated, mail.Receive)
		ended := make(chan error)
		go func() { ended <- first.Run(ctx) }()
		synctest.Wait()
		if got := first.Remaining(); got != sessiontest.FreeBandwidth {
			t.Errorf("%d bytes left, want the claim answered with %d", got, int64(sessiontest.FreeBandwidth))
		}
		g.session(id.Public()).Deliver(sessiontest.MessageOf(1))
		packet := sessiontest.PacketOf(mixnet.Regular)
		if err := first.Send(ctx, packet); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mail.Want(t, string(sessiontest.MessageOf(1)))
		if got := g.packets; len(got) != 1 || got[0].Rotation != packet.Rotation || !bytes.Equal(got[0].Packet, packet.Packet) {
			t.Errorf("the gateway got %d packets", len(got))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run gives %v, want nil", err)
		}
		g.wg.Wait()

		conn = g.connect(t.Context())
		second, err := session.Authenticate(t.Context(), conn, id, sealer, time.Now(), mail.Receive)
		if err != nil || second.Version() != 6 || second.Remaining() != sessiontest.FreeBandwidth {
			t.Fatalf("Authenticate: %+v, %v", second, err)
		}
		go func() { ended <- second.Run(t.Context()) }()
		if err := second.Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v", err)
		}
		if err := second.Remember(t.Context(), protocol.SessionNative); err != nil {
			t.Errorf("Remember: %v", err)
		}
		if err := second.Forget(t.Context()); err != nil {
			t.Errorf("Forget: %v", err)
		}
		g.session(id.Public()).Evict()
		if err := <-ended; err != session.ErrReplaced {
			t.Errorf("Run gives %v, want ErrReplaced", err)
		}
		if err := second.Forget(t.Context()); !errors.Is(err, session.ErrClosed) {
			t.Errorf("Forget after the end: %v, want ErrClosed", err)
		}
		g.wg.Wait()

		conn = g.connect(t.Context())
		_, err = session.Authenticate(t.Context(), conn, id, sealer, time.Now().Add(time.Second), mail.Receive)
		if r := (*session.RefusedError)(nil); !errors.As(err, &r) || r.Text != string(ErrUnknownClient) {
			t.Errorf("Authenticate when forgotten: %v", err)
		}
		g.wg.Wait()
	})
}
