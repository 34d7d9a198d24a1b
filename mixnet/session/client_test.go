package session

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
)

// against runs a client's f in a bubble against a gateway that speaks word for
// word.
func against(t *testing.T, gateway func(p *sessiontest.Peer), client func(t *testing.T, conn MessageConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := Pipe()
		done := make(chan struct{})
		go func() { defer close(done); gateway(sessiontest.Gateway(t, far)) }()
		client(t, near)
		near.Close(CloseNormal, "")
		<-done
	})
}

// nodes.md §1.4: "Gen A refuses to continue if the announcement is < 4", and so do we.
func TestClientRefusesOldGateways(t *testing.T) {
	for announced := range uint8(protocol.MinVersion) {
		gateway := func(p *sessiontest.Peer) {
			p.Want(protocol.AskProtocol{})
			p.Send(protocol.SupportedProtocol{Version: announced})
			p.WantClosed()
		}
		against(t, gateway, func(t *testing.T, conn MessageConn) {
			if _, _, err := Register(t.Context(), conn, keys.NewIdentityKey(), keys.Identity{}); !errors.Is(err, ErrTooOld) {
				t.Errorf("announced %d: %v, want ErrTooOld", announced, err)
			}
		})
		against(t, gateway, func(t *testing.T, conn MessageConn) {
			s, _ := sessiontest.Pair()
			if _, err := Authenticate(t.Context(), conn, keys.NewIdentityKey(), s, time.Now(), nil); !errors.Is(err, ErrTooOld) {
				t.Errorf("announced %d: %v, want ErrTooOld", announced, err)
			}
		})
	}
}

// register answers a registration as a gateway with an identity. proposed is
// what the client proposes, version what each answer says.
func register(p *sessiontest.Peer, identity *keys.IdentityKey, announced, proposed uint8, version func(message int) uint8, verdict protocol.Octets) {
	p.Want(protocol.AskProtocol{})
	p.Send(protocol.SupportedProtocol{Version: announced})
	first := p.Next().(protocol.HandshakePayload)
	if first.ProtocolVersion != proposed {
		p.TB.Errorf("client proposes %d, want %d", first.ProtocolVersion, proposed)
	}
	o, err := protocol.ParseOpening(first.Data)
	if err != nil {
		p.TB.Error(err)
		return
	}
	y, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		p.TB.Error(err)
		return
	}
	answer, key, err := o.Answer(identity, y, protocol.NewNonce())
	if err != nil {
		p.TB.Error(err)
		return
	}
	p.Send(protocol.HandshakePayload{ProtocolVersion: version(0), Data: answer})
	proof, ok := p.Next().(protocol.HandshakePayload)
	if !ok {
		return // the client gave up
	}
	if !o.Check(key, y.PublicKey().Bytes(), proof.Data) {
		p.TB.Error("the client's proof is wrong")
	}
	// The client may be gone at any point of what follows.
	ctx := context.Background()
	p.Conn.Write(ctx, false, []byte("noise in between"))
	p.Conn.Write(ctx, true, []byte("and no json"))
	p.Conn.Write(ctx, true, protocol.EncodeText(protocol.HandshakePayload{ProtocolVersion: version(1), Data: verdict}))
	p.Conn.Write(ctx, true, protocol.EncodeText(protocol.Registered{ProtocolVersion: version(2), Status: true}))
}

// nodes.md §1.4: "gen A proposes min(announced, 6)"
func TestClientRegisters(t *testing.T) {
	for announced, proposed := range map[uint8]uint8{4: 4, 5: 5, 6: 6, 7: 6, 255: 6} {
		identity := keys.NewIdentityKey()
		against(t, func(p *sessiontest.Peer) {
			register(p, identity, announced, proposed, func(int) uint8 { return proposed }, protocol.Octets{1})
			p.WantClosed()
		}, func(t *testing.T, conn MessageConn) {
			key, negotiated, err := Register(t.Context(), conn, keys.NewIdentityKey(), identity.Public())
			if err != nil || negotiated != int(proposed) || key == nil {
				t.Errorf("announced %d: version %d, %v", announced, negotiated, err)
			}
		})
	}
}

func TestClientRefusesBadRegistrations(t *testing.T) {
	identity := keys.NewIdentityKey()
	six := func(int) uint8 { return 6 }
	only := func(message int, v uint8) func(int) uint8 {
		return func(i int) uint8 {
			if i == message {
				return v
			}
			return 6
		}
	}
	for _, c := range []struct {
		name    string
		version func(int) uint8
		verdict protocol.Octets
		gateway keys.Identity
		want    error
	}{
		// nodes.md §1.4.1: "The client verifies sigG under the gateway identity it took from the directory."
		{"impostor", six, protocol.Octets{1}, keys.NewIdentityKey().Public(), protocol.ErrImpostor},
		{"way down in the handshake", only(0, 3), protocol.Octets{1}, identity.Public(), ErrTooOld},
		{"way up in the handshake", only(1, 7), protocol.Octets{1}, identity.Public(), protocol.ErrMalformed},
		{"way down at the end", only(2, 3), protocol.Octets{1}, identity.Public(), ErrTooOld},
		{"version left out", only(2, 0), protocol.Octets{1}, identity.Public(), ErrTooOld},
		{"way up at the end", only(2, 7), protocol.Octets{1}, identity.Public(), protocol.ErrMalformed},
		{"verdict 0", six, protocol.Octets{0}, identity.Public(), &RefusedError{}},
		{"verdict of two bytes", six, protocol.Octets{1, 1}, identity.Public(), &RefusedError{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			against(t, func(p *sessiontest.Peer) {
				register(p, identity, 6, 6, c.version, c.verdict)
			}, func(t *testing.T, conn MessageConn) {
				key, _, err := Register(t.Context(), conn, keys.NewIdentityKey(), c.gateway)
				var refused *RefusedError
				if _, ok := c.want.(*RefusedError); ok && errors.As(err, &refused) {
					return
				}
				if !errors.Is(err, c.want) || key != nil && err == nil {
					t.Errorf("Register: %v, want %v", err, c.want)
				}
			})
		})
	}
	t.Run("error text", func(t *testing.T) {
		against(t, func(p *sessiontest.Peer) {
			p.Want(protocol.AskProtocol{})
			p.Send(protocol.SupportedProtocol{Version: 6})
			p.Next()
			p.Send(protocol.ErrorText{Message: "full"})
		}, func(t *testing.T, conn MessageConn) {
			_, _, err := Register(t.Context(), conn, keys.NewIdentityKey(), identity.Public())
			if r := (*RefusedError)(nil); !errors.As(err, &r) || r.Text != "full" {
				t.Errorf("Register: %v", err)
			}
		})
	})
	t.Run("silence", func(t *testing.T) {
		against(t, func(p *sessiontest.Peer) {
			p.Want(protocol.AskProtocol{})
			p.Send(protocol.SupportedProtocol{Version: 6})
			p.Next()
			p.Want(protocol.HandshakeError{Message: "registration given up"})
			p.WantClosed()
		}, func(t *testing.T, conn MessageConn) {
			start := time.Now()
			_, _, err := Register(t.Context(), conn, keys.NewIdentityKey(), identity.Public())
			if got := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || got != loginPatience {
				t.Errorf("Register: %v after %v", err, got)
			}
		})
	})
}

// nodes.md §7.2, trap 21: "A Go client must treat the message order 'stored
// binary pushes, then authenticate' as normal."
func TestStoredMessagesBeforeAuthenticate(t *testing.T) {
	client, gateway := sessiontest.Pair()
	id := keys.NewIdentityKey()
	var mail sessiontest.Mailbox
	var stored []string
	for i := range 200 {
		stored = append(stored, string(sessiontest.MessageOf(i)))
	}
	against(t, func(p *sessiontest.Peer) {
		p.Want(protocol.AskProtocol{})
		p.Send(protocol.SupportedProtocol{Version: 6})
		a := p.Next().(protocol.Authenticate)
		if _, err := a.Check(time.Now()); err != nil || a.ProtocolVersion != 6 {
			t.Errorf("request of version %d: %v", a.ProtocolVersion, err)
		}
		for _, m := range stored {
			p.SendFrame(gateway.AppendPush(nil, []byte(m)))
		}
		p.SendFrame([]byte("noise"))
		p.Send(protocol.Authenticated{ProtocolVersion: 4, Status: true, BandwidthRemaining: 7})
		p.WantClosed()
	}, func(t *testing.T, conn MessageConn) {
		c, err := Authenticate(t.Context(), conn, id, client, time.Now(), mail.Receive)
		if err != nil || c.Version() != 4 || c.Remaining() != 7 {
			t.Errorf("Authenticate: %v", err)
		}
		mail.Want(t, stored...)
	})
}

func TestClientRefusesBadAuthentications(t *testing.T) {
	for name, answer := range map[string]protocol.Text{
		"status false": protocol.Authenticated{ProtocolVersion: 6},
		"way up":       protocol.Authenticated{ProtocolVersion: 7, Status: true},
		"way down":     protocol.Authenticated{ProtocolVersion: 3, Status: true},
		"error":        protocol.ErrorText{Message: "no"},
	} {
		against(t, func(p *sessiontest.Peer) {
			p.Want(protocol.AskProtocol{})
			p.Send(protocol.SupportedProtocol{Version: 6})
			p.Next()
			p.Send(answer)
		}, func(t *testing.T, conn MessageConn) {
			s, _ := sessiontest.Pair()
			if c, err := Authenticate(t.Context(), conn, keys.NewIdentityKey(), s, time.Now(), nil); err == nil || c != nil {
				t.Errorf("%s: accepted", name)
			}
		})
	}
}

// running runs a Client with the given version and bandwidth against a gateway
// that speaks word for word, and gives what Run gives.
func running(t *testing.T, negotiated int, left int64, gateway func(p *sessiontest.Peer, s *protocol.Sealer), use func(t *testing.T, c *Client)) (c *Client, mail *sessiontest.Mailbox, err error) {
	t.Helper()
	mail = new(sessiontest.Mailbox)
	client, sealer := sessiontest.Pair()
	against(t, func(p *sessiontest.Peer) {
		gateway(p, sealer)
		p.Conn.Close(CloseNormal, "")
	}, func(t *testing.T, conn MessageConn) {
		c = NewClient(conn, client, negotiated, mail.Receive)
		c.remaining.Store(left)
		ended := make(chan error)
		go func() { ended <- c.Run(t.Context()) }()
		if use != nil {
			use(t, c)
		}
		err = <-ended
	})
	return c, mail, err
}

// nodes.md §1.4: "≥ 5 → binary kind 2, otherwise kind 1"
func TestClientSendsTheKindOfItsVersion(t *testing.T) {
	for negotiated, want := range map[int]byte{4: 1, 5: 2, 6: 2} {
		packet := sessiontest.PacketOf(mixnet.Regular)
		_, _, err := running(t, negotiated, sessiontest.FreeBandwidth, func(p *sessiontest.Peer, s *protocol.Sealer) {
			_, b, err := p.Receive()
			if err != nil || b[0] != want {
				t.Errorf("version %d: kind %d, %v, want %d", negotiated, b[0], err, want)
			}
			if got, err := s.OpenForward(b); err != nil || !bytes.Equal(got.Packet, packet.Packet) {
				t.Errorf("version %d: %v", negotiated, err)
			}
		}, func(t *testing.T, c *Client) {
			if err := c.Send(t.Context(), packet); err != nil {
				t.Error(err)
			}
		})
		if err != ErrClosed {
			t.Errorf("Run gives %v, want ErrClosed", err)
		}
	}
}

// nodes.md §1.8: "claim when remaining < 40 000 000 …: once right after
// authentication, and again …while below"; trap 20: "must handle
// out_of_bandwidth at any time by claiming again"
func TestClientClaims(t *testing.T) {
	c, _, _ := running(t, 6, claimBelow-1, func(p *sessiontest.Peer, _ *protocol.Sealer) {
		p.Want(protocol.ClaimBandwidth{})
		p.Send(protocol.Bandwidth{AvailableTotal: 5}) // too little, and not asked again at once
		p.Send(protocol.Sent{RemainingBandwidth: claimBelow - 1})
		p.Want(protocol.ClaimBandwidth{})
		p.Send(protocol.Sent{RemainingBandwidth: claimBelow - 1}) // the claim is on its way
		p.Send(protocol.Sent{RemainingBandwidth: claimBelow - 1})
		p.Send(protocol.Bandwidth{AvailableTotal: claimBelow})
		p.Send(protocol.Sent{RemainingBandwidth: claimBelow})
		p.Send(protocol.TypedError{Error: protocol.GatewayError{Name: "ticket_replay"}})
		p.Send(protocol.TypedError{Error: protocol.GatewayError{OutOfBandwidth: &protocol.OutOfBandwidth{Required: 2413, Available: 7}}})
		p.Want(protocol.ClaimBandwidth{})
		p.Send(protocol.Bandwidth{AvailableTotal: sessiontest.FreeBandwidth})
		p.Send(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth - 1})
		p.Send(protocol.Sent{RemainingBandwidth: sessiontest.FreeBandwidth - 1})
		p.Send(protocol.AskProtocol{})
	}, nil)
	if got := c.Remaining(); got != sessiontest.FreeBandwidth-1 {
		t.Errorf("%d bytes left, want %d", got, int64(sessiontest.FreeBandwidth-1))
	}
	for _, left := range []int64{claimBelow, sessiontest.FreeBandwidth} {
		running(t, 6, left, func(p *sessiontest.Peer, s *protocol.Sealer) {
			isText, b, err := p.Receive() // nothing is said before the packet
			if err != nil || isText {
				t.Errorf("with %d bytes left the client says %s, %v", left, b, err)
			}
		}, func(t *testing.T, c *Client) {
			synctest.Wait()
			if err := c.Send(t.Context(), sessiontest.PacketOf(mixnet.Regular)); err != nil {
				t.Error(err)
			}
		})
	}
}

// nodes.md §1.10: an error text means the session is over.
func TestErrorTextEndsTheClient(t *testing.T) {
	_, mail, err := running(t, 6, sessiontest.FreeBandwidth, func(p *sessiontest.Peer, s *protocol.Sealer) {
		p.SendFrame(s.AppendPush(nil, []byte("last words")))
		p.Send(protocol.ErrorText{Message: "go away"})
		p.WantClosed()
	}, nil)
	if r := (*RefusedError)(nil); !errors.As(err, &r) || r.Text != "go away" {
		t.Errorf("Run gives %v", err)
	}
	mail.Want(t, "last words")
}

func TestH21ClientDropsReplaysAndReflections(t *testing.T) {
	c, mail, _ := running(t, 6, sessiontest.FreeBandwidth, func(p *sessiontest.Peer, s *protocol.Sealer) {
		push := s.AppendPush(nil, []byte("once"))
		for range 3 {
			p.SendRaw(false, bytes.Clone(push))
		}
		_, own, err := p.Receive()
		if err != nil {
			t.Error(err)
			return
		}
		own = bytes.Clone(own)
		p.SendRaw(false, bytes.Clone(own))
		own[0] = 1 // a push
		p.SendRaw(false, own)
		open := append([]byte{1, 0}, make([]byte, protocol.NonceSize)...)
		p.SendRaw(false, append(open, "not sealed, but longer than a tag"...))
		p.SendRaw(false, nil)
		p.SendRaw(true, []byte("{"))
		p.SendFrame(s.AppendPush(nil, []byte("and still alive")))
	}, func(t *testing.T, c *Client) {
		if err := c.Send(t.Context(), sessiontest.PacketOf(mixnet.Regular)); err != nil {
			t.Error(err)
		}
	})
	mail.Want(t, "once", "and still alive")
	if got := c.Dropped(); got != 7 {
		t.Errorf("%d dropped, want 7", got)
	}
}

// A gateway that answers nothing, answers too much or answers something else.
func TestSealedRequestsOfTheClient(t *testing.T) {
	_, _, _ = running(t, 6, sessiontest.FreeBandwidth, func(p *sessiontest.Peer, s *protocol.Sealer) {
		first := p.Next().(protocol.EncryptedRequest)
		if b, err := s.OpenText(first.Ciphertext, first.Nonce); err != nil || string(b) != `{"ForgetMe":{"client":true,"stats":false}}` {
			t.Errorf("client asks %s, %v", b, err)
		}
		for range 2 {
			ciphertext, nonce := s.SealText([]byte(`{"RememberMeAck":{}}`))
			p.Send(protocol.EncryptedResponse{Ciphertext: ciphertext, Nonce: nonce})
		}
		p.Send(protocol.EncryptedResponse{Ciphertext: make(protocol.Octets, 30), Nonce: make(protocol.Octets, 12)})
		p.Next() // not answered
		p.WantClosed()
	}, func(t *testing.T, c *Client) {
		if err := c.Remember(t.Context(), "mixnet"); err == nil {
			t.Error("an unknown session type is sent")
		}
		if err := c.Forget(t.Context()); !errors.Is(err, protocol.ErrMalformed) {
			t.Errorf("Forget: %v, want errMalformed", err)
		}
		synctest.Wait() // the other answers come too late
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		done := make(chan error)
		go func() { done <- c.Remember(ctx, protocol.SessionMixnet) }()
		synctest.Wait()
		if err := c.Forget(t.Context()); err == nil {
			t.Error("two requests at once")
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Remember: %v, want DeadlineExceeded", err)
		}
		c.conn.Close(CloseNormal, "")
	})
}
