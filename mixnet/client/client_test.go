package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"math"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/message"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// inBubble runs a test on virtual time, in a context that ends before it does.
func inBubble(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, ctx)
		cancel()
		synctest.Wait()
	})
}

func randomBody(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestMessageCrosses(t *testing.T) {
	for name, traffic := range map[string]Traffic{"nym": {}, "fast": Fast()} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ctx context.Context) {
				n := newFakeNet(t, ctx, 2)
				alice, bob := n.client(0, Config{Traffic: traffic}), n.client(1, Config{Traffic: traffic})
				for _, size := range []int{0, 1, 1602, 1603, 1604, 20000} {
					body := randomBody(size)
					done := make(chan error, 1)
					alice.send(bob.Address(), body, mixnet.SendOptions{Done: func(err error) { done <- err }})
					if m := bob.want(body); !m.From.IsZero() || !m.To.IsZero() {
						t.Errorf("a plain message has origin %v, %v", m.From, m.To)
					}
					if err := <-done; err != nil {
						t.Errorf("fate of a message of %d bytes: %v", size, err)
					}
				}
				synctest.Wait() // the loop publishes at the end of its turn
				if n := alice.LaneLen(0); n != 0 {
					t.Errorf("%d packets in the lane after all were acknowledged", n)
				}
			})
		})
	}
}

func TestAnonymousReply(t *testing.T) {
	t.Run("259", func(t *testing.T) { anonymousReply(t, Fast()) })
	old := Fast()
	old.Version = sphinx.Version258
	t.Run("258", func(t *testing.T) { anonymousReply(t, old) })
}

func anonymousReply(t *testing.T, traffic Traffic) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		alice, bob := n.client(0, Config{Traffic: traffic, SolicitedOnly: true}), n.client(1, Config{Traffic: traffic})
		tag := mixnet.NewSenderTag()
		alice.send(bob.Address(), []byte("who am I?"), mixnet.SendOptions{As: tag, SURBs: 15})
		m := bob.want([]byte("who am I?"))
		if m.From != tag || !m.To.IsZero() {
			t.Fatalf("origin %v, %v", m.From, m.To)
		}
		// 15 SURBs, 10 in reserve: a reply of 40 fragments needs requests for more.
		body := randomBody(40 * 1600)
		bob.reply(m.From, body, mixnet.SendOptions{})
		if r := alice.want(body); r.To != tag || !r.From.IsZero() {
			t.Errorf("the reply has origin %v, %v", r.From, r.To)
		}
		if s := bob.Stats(); s.SURBsRequested == 0 {
			t.Error("bob had 15 SURBs and needed 40, but asked for none")
		}
	})
}

// sphinx.md §6.5: "On expiry: the same fragment bytes, with a new ack, … new route"
func TestLossIsRepaired(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		rng := newRand()
		n.lose = func(mixnet.NodeAddr, []byte) bool { return rng.IntN(20) == 0 } // 5 % at every hop
		alice, bob := n.client(0, Config{Traffic: Fast()}), n.client(1, Config{Traffic: Fast()})
		tag := mixnet.NewSenderTag()
		up, down := randomBody(200_000), randomBody(200_000)
		alice.send(bob.Address(), up, mixnet.SendOptions{As: tag, SURBs: 30})
		m := bob.want(up)
		bob.reply(m.From, down, mixnet.SendOptions{})
		alice.want(down)
		if s := alice.Stats(); s.SentAgain == 0 {
			t.Error("nothing was sent again though a third of the packets was lost")
		}
	})
}

// sphinx.md §8 trap 26: "Duplicates are normal."
func TestDuplicatesReachNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		n.copies = 3
		alice, bob := n.client(0, Config{Traffic: Fast()}), n.client(1, Config{Traffic: Fast()})
		for i := range 20 {
			alice.send(bob.Address(), []byte{byte(i)}, mixnet.SendOptions{})
		}
		seen := map[byte]bool{}
		for range 20 {
			m, err := bob.Receive(ctx)
			if err != nil || seen[m.Body[0]] {
				t.Fatalf("message %v twice (%v)", m.Body, err)
			}
			seen[m.Body[0]] = true
		}
		time.Sleep(time.Minute)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if m, err := bob.Receive(short); err == nil {
			t.Errorf("message %v came twice", m.Body)
		}
	})
}

// A mix that dies loses what goes through it; new routes do not all.
func TestDeadMixIsRoutedAround(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		dead := n.nw.Layer(2)[0].Addr
		n.lose = func(hop mixnet.NodeAddr, _ []byte) bool { return hop == dead }
		alice, bob := n.client(0, Config{Traffic: Fast()}), n.client(1, Config{Traffic: Fast()})
		body := randomBody(50_000)
		alice.send(bob.Address(), body, mixnet.SendOptions{As: mixnet.NewSenderTag(), SURBs: 40})
		m := bob.want(body)
		bob.reply(m.From, body, mixnet.SendOptions{})
		alice.want(body)
	})
}

// hardening.md H12: "A SURB request is answered for the tag whose reply key
// carried it, never for an address in its body."
// hardening.md H13: "A received message carries its origin"
func TestH12H13Origins(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		alice, bob := n.client(0, Config{Traffic: Fast()}), n.client(1, Config{Traffic: Fast()})
		first, second := mixnet.NewSenderTag(), mixnet.NewSenderTag()
		alice.send(bob.Address(), []byte("one"), mixnet.SendOptions{As: first, SURBs: 12})
		bob.want([]byte("one"))
		alice.send(bob.Address(), []byte("two"), mixnet.SendOptions{As: second, SURBs: 12})
		bob.want([]byte("two"))
		alice.Pause(second, true) // grants nothing more under the second tag
		bob.reply(second, randomBody(20*1600), mixnet.SendOptions{Lane: 2})
		time.Sleep(time.Minute)
		if got := alice.Stats().SURBsGranted; got != 24 {
			t.Errorf("%d SURBs granted, want only the 24 of the messages", got)
		}
		bob.reply(first, []byte("to the first"), mixnet.SendOptions{Lane: 1})
		if m := alice.want([]byte("to the first")); m.To != first {
			t.Errorf("origin %v, want the first tag", m.To)
		}
	})
}

// hardening.md H12: "A SURB request is answered for the tag whose reply key carried it,
// never for an address in its body."
func TestH12RequestForAnotherAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		alice, bob, carol := n.client(0, Config{Traffic: Fast()}), n.client(1, Config{Traffic: Fast()}), n.client(1, Config{Traffic: Fast()})
		tag := mixnet.NewSenderTag()
		alice.send(bob.Address(), []byte("hello"), mixnet.SendOptions{As: tag, SURBs: 12})
		bob.want([]byte("hello"))
		had := bob.Stats().SURBsReceived
		bob.order(func(l *loop) { // bob lies about who he is
			o := &outgoing{purpose: purposeRequest, tag: tag, reply: true}
			m := message.Message{Kind: message.SURBRequest, Requester: carol.Address(), Amount: 30}
			if err := l.c.cut(o, &m); err != nil {
				t.Error(err)
			}
			l.lanes.offer(o)
		})
		time.Sleep(time.Minute)
		if got := carol.Stats().SURBsReceived; got != 0 {
			t.Errorf("%d SURBs came to the address in the body", got)
		}
		if got := bob.Stats().SURBsReceived - had; got < 30 {
			t.Errorf("%d SURBs came to whom the tag speaks to, want the 30 that were asked for", got)
		}
	})
}

// hardening.md H13: "A SOCKS client drops unsolicited fragments before reassembly."
func TestH13UnsolicitedIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		alice, bob := n.client(0, Config{Traffic: Fast(), SolicitedOnly: true}), n.client(1, Config{Traffic: Fast()})
		bob.send(alice.Address(), []byte("unasked"), mixnet.SendOptions{})
		time.Sleep(time.Second)
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if m, err := alice.Receive(short); err == nil {
			t.Errorf("received %q", m.Body)
		}
		if alice.Stats().ReceivedBad == 0 {
			t.Error("nothing was counted as dropped")
		}
	})
}

func TestReplyToAStrangerFails(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		bob := n.client(1, Config{Traffic: Fast()})
		if err := bob.Reply(ctx, mixnet.NewSenderTag(), []byte("?"), mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrUnknownTag) {
			t.Errorf("got %v, want %v", err, mixnet.ErrUnknownTag)
		}
		// sphinx.md §5.8: "never send empty replies"
		if err := bob.Reply(ctx, mixnet.NewSenderTag(), nil, mixnet.SendOptions{}); err == nil {
			t.Error("an empty reply was accepted")
		}
		stranger := bob.Address()
		stranger.Gateway = stranger.Identity
		if err := bob.Send(ctx, stranger, []byte("?"), mixnet.SendOptions{}); err == nil {
			t.Error("sent to a gateway that does not exist")
		}
		if err := bob.Send(ctx, bob.Address(), make([]byte, mixnet.MaxMessage+1), mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrTooLong) {
			t.Errorf("a message too long: %v", err)
		}
	})
}

func TestSendWaitsForRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		n.lose = func(mixnet.NodeAddr, []byte) bool { return true }
		alice := n.client(0, Config{Traffic: Fast(), LaneRoom: 4})
		fate := make(chan error, 2)
		o := mixnet.SendOptions{Lane: 9, Done: func(err error) { fate <- err }}
		alice.send(alice.Address(), randomBody(4*1600), o)
		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := alice.Send(short, alice.Address(), []byte("x"), o); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a full lane: got %v", err)
		}
		if got := alice.LaneLen(9); got != 4 {
			t.Errorf("%d packets in the lane, want 4", got)
		}
		alice.send(alice.Address(), []byte("elsewhere"), mixnet.SendOptions{Lane: 8}) // others are not held up
		alice.CloseLane(9)
		if err := <-fate; !errors.Is(err, mixnet.ErrLaneClosed) {
			t.Errorf("fate %v, want %v", err, mixnet.ErrLaneClosed)
		}
		synctest.Wait()
		if got := alice.LaneLen(9); got != 0 {
			t.Errorf("%d packets in the closed lane", got)
		}
		alice.CloseLane(8)
		time.Sleep(2 * suspectFor) // loops are sent: does the gateway drop everything?
		before := alice.Stats().Sent
		time.Sleep(time.Minute)
		if after := alice.Stats().Sent; after != before {
			t.Errorf("%d packets sent after all lanes were closed", after-before)
		}
	})
}

// hardening.md H01: "One sealed frame, data or cover, is ready before each tick"
// hardening.md H02: "Everything leaves through the pacer … the rate does not follow the load";
// "ticks and session frames match 1:1 under loss, failover and top-up; inter-send times are Exp (KS test)"
func TestH01H02RateDoesNotFollowLoad(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		rng := newRand()
		n.lose = func(mixnet.NodeAddr, []byte) bool { return rng.IntN(50) == 0 }
		var mu sync.Mutex
		times := map[keys.Identity][]time.Time{}
		n.seen = func(c keys.Identity, _ wire.MixPacket, at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			times[c] = append(times[c], at)
		}
		idle := n.client(0, Config{Traffic: Traffic{CoverEvery: Off}})
		busy := n.client(0, Config{Traffic: Traffic{CoverEvery: Off}})
		peer := n.client(1, Config{Traffic: Fast()})
		n.wg.Go(func() {
			for i := 0; ; i++ {
				o := mixnet.SendOptions{Lane: mixnet.Lane(i % 3), As: mixnet.SenderTag{1}, SURBs: 3}
				if busy.Send(ctx, peer.Address(), make([]byte, 5000), o) != nil {
					return
				}
			}
		})
		n.wg.Go(func() {
			for {
				m, err := peer.Receive(ctx)
				if err != nil || peer.Reply(ctx, m.From, make([]byte, 4000), mixnet.SendOptions{}) != nil {
					return
				}
			}
		})
		n.wg.Go(func() {
			for {
				if _, err := busy.Receive(ctx); err != nil {
					return
				}
			}
		})
		const span = 30 * time.Second
		time.Sleep(span)
		mu.Lock()
		defer mu.Unlock()
		for name, c := range map[string]*testClient{"idle": idle, "busy": busy} {
			at := times[c.Address().Identity]
			const mean = 1500                             // one every 20 ms
			if len(at) < mean-310 || len(at) > mean+310 { // beyond 8σ
				t.Errorf("the %s client sent %d packets in half a minute, want about %d", name, len(at), mean)
			}
			var gaps []float64
			for i := 1; i < len(at); i++ {
				gaps = append(gaps, at[i].Sub(at[i-1]).Seconds())
			}
			if d := kolmogorov(gaps, 0.02); d > 3/math.Sqrt(float64(len(gaps))) { // once in thirty million times
				t.Errorf("the %s client's intervals are not exponential: distance %.4f", name, d)
			}
		}
		s := busy.Stats()
		if s.MissedTicks != 0 {
			t.Errorf("%d ticks missed", s.MissedTicks)
		}
		if s.SentData < 95*s.Sent/100 {
			t.Errorf("%d of %d packets carried data though data always waited", s.SentData, s.Sent)
		}
		if idle.Stats().SentData != 0 || idle.Stats().SentCover < 1000 {
			t.Errorf("the idle client: %+v", idle.Stats())
		}
	})
}

// hardening.md H01: "One sealed frame, data or cover, is ready *before* each tick; at
// the tick there is only a write." What becomes of the packet while the frame waits
// for its tick changes nothing any more.
func TestH01FrameIsSealedBeforeItsTick(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		s, arrived := n.sender(ctx)
		for _, cover := range []bool{false, true} {
			want := randomBody(mixnet.Regular.Total())
			packet := bytes.Clone(want)
			nowhere := mixnet.NodeAddrFrom(netip.MustParseAddrPort("203.0.113.1:1789"))
			s.give(builtPacket{cover: cover, packet: wire.MixPacket{Next: nowhere, Packet: packet}})
			synctest.Wait()
			if len(arrived) > 0 {
				t.Fatal("the packet did not wait for its tick")
			}
			clear(packet)
			if got := <-arrived; !bytes.Equal(got, want) {
				t.Errorf("cover %v: the frame was sealed at its tick", cover)
			}
			<-s.credits
		}
	})
}

// hardening.md H01: the frame of a tick is fixed and sealed 2 ms before it. Until then data take the
// place of cover that waits; from then on they wait for the next tick.
func TestH01DataTakeThePlaceOfCover(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		s, arrived := n.sender(ctx)
		nowhere := mixnet.NodeAddrFrom(netip.MustParseAddrPort("203.0.113.1:1789"))
		next := func() time.Time { return s.born.Add(time.Duration(s.fixed.Load()) + fixedBefore) }
		give := func(set uint32, cover bool) []byte {
			body := randomBody(mixnet.Regular.Total())
			s.give(builtPacket{cover: cover, id: fragment.ID{Set: set}, packet: wire.MixPacket{Next: nowhere, Packet: bytes.Clone(body)}})
			synctest.Wait()
			return body
		}
		// tick waits for a packet, which is to leave at the tick that was drawn.
		tick := func(at time.Time, want []byte) {
			t.Helper()
			if got := <-arrived; !bytes.Equal(got, want) || !time.Now().Equal(at) {
				t.Errorf("another packet leaves, or at another time: %v, want %v", time.Now(), at)
			}
		}
		credit := func(set uint32, sent bool) {
			t.Helper()
			if d := <-s.credits; d.id.Set != set || d.at.IsZero() == sent {
				t.Errorf("credit for packet %d, sent %v; want %d, %v", d.id.Set, !d.at.IsZero(), set, sent)
			}
		}
		for range 20 {
			give(1, true)
			at := next()
			time.Sleep(time.Until(at.Add(-fixedBefore - time.Microsecond)))
			s.credit, s.cover = 0, true
			if !s.replaceable(time.Now()) {
				t.Fatal("the loop makes no data for a frame that is not fixed yet")
			}
			data := give(2, false)
			tick(at, data)
			credit(1, false)
			credit(2, true)

			cover := give(3, true)
			at = next()
			time.Sleep(time.Until(at.Add(-fixedBefore)))
			if s.replaceable(time.Now()) {
				t.Error("the loop makes data for a frame that is fixed")
			}
			data = give(4, false)
			tick(at, cover)
			credit(3, true)
			synctest.Wait()
			tick(next(), data)
			credit(4, true)
		}
	})
}

// sender runs a sender with ticks a minute apart, and gives what leaves.
func (n *fakeNet) sender(ctx context.Context) (*sender, <-chan []byte) {
	n.t.Helper()
	c, err := New(Config{Entries: []Entry{n.entry(0, nil)}, Topology: n.topology, Dial: n.dial})
	if err != nil {
		n.t.Fatal(err)
	}
	gateway := n.nw.Gateways()[0]
	conn, err := n.dial(ctx, gateway.Clients)
	if err != nil {
		n.t.Fatal(err)
	}
	key, version, err := session.Register(ctx, conn, keys.NewIdentityKey(), gateway.Identity)
	if err != nil {
		n.t.Fatal(err)
	}
	live := session.NewClient(conn, protocol.NewSealer(key), version, func([]byte) {})
	c.session.set(live)
	n.wg.Go(func() { live.Run(ctx) })
	arrived := make(chan []byte, 1)
	n.seen = func(_ keys.Identity, p wire.MixPacket, _ time.Time) { arrived <- bytes.Clone(p.Packet) }
	s := newSender(pacer{mean: time.Minute, rng: newRand()})
	n.wg.Go(func() { s.run(ctx, c) })
	return s, arrived
}

// hardening.md H01: "Prebuilt cover dies with its topology or rotation."
func TestH01CoverDiesWithItsTopology(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		// The other half of the mixes is in the next snapshot only.
		var before, after topology.Snapshot
		before.Rotation, after.Rotation = 7, 8
		for _, f := range n.nodes {
			if f.Role == topology.RoleGateway || f.ID <= 3 {
				before.Nodes = append(before.Nodes, f.Node)
			}
			if f.Role == topology.RoleGateway || f.ID > 3 {
				after.Nodes = append(after.Nodes, f.Node)
			}
		}
		networks := make([]*topology.Network, 2)
		for i, p := range []topology.Snapshot{before, after} {
			nw, err := topology.New(p)
			if err != nil {
				t.Fatal(err)
			}
			networks[i] = nw
		}
		var changed time.Time
		var mu sync.Mutex
		old, sent := 0, 0
		n.seen = func(_ keys.Identity, p wire.MixPacket, at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			if changed.IsZero() || at.Equal(changed) {
				return
			}
			sent++
			if _, ok := networks[1].Role(p.Next); !ok || p.Rotation != mixnet.RotationEven {
				old++
			}
		}
		asked := 0
		c, err := New(Config{
			Entries: []Entry{n.entry(0, nil)}, Dial: n.dial, Refresh: time.Minute,
			Traffic: Traffic{SendEvery: 200 * time.Millisecond, CoverEvery: 300 * time.Millisecond},
			Topology: func(context.Context) (*topology.Network, error) {
				asked++
				if asked == 1 {
					return networks[0], nil
				}
				mu.Lock()
				defer mu.Unlock()
				if changed.IsZero() {
					changed = time.Now()
				}
				return networks[1], nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		inner, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- c.Run(inner) }()
		time.Sleep(3 * time.Minute)
		stop()
		<-ended
		mu.Lock()
		defer mu.Unlock()
		if old != 0 || sent < 500 {
			t.Errorf("%d of %d packets after the change were cover of the old snapshot", old, sent)
		}
		if s := c.Stats(); s.MissedTicks != 0 {
			t.Errorf("%d ticks missed", s.MissedTicks)
		}
	})
}

// hardening.md H03: "Data, cover, acks and SURBs have one Sphinx version …, one
// distribution of routes and delays, one size per packet size setting."
func TestH03OneKindOfPacket(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		sizes, versions := map[int]int{}, map[sphinx.Version]int{}
		delays := map[string][]float64{}
		kind := "cover"
		n.opened = func(p *sphinx.Packet) {
			sizes[len(p.Data)]++
			versions[p.Version]++
			of := kind
			if len(p.Data) == mixnet.AckSize.Total() {
				of = "SURB-ACKs of " + kind
			}
			if !p.Final {
				delays[of] = append(delays[of], p.Delay.Seconds())
			}
		}
		alice, bob := n.client(0, Config{}), n.client(1, Config{})
		time.Sleep(10 * time.Second) // nobody has anything to say
		n.mu.Lock()
		kind = "data and cover"
		n.mu.Unlock()
		alice.send(bob.Address(), randomBody(30_000), mixnet.SendOptions{As: mixnet.NewSenderTag(), SURBs: 20})
		m, err := bob.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		bob.reply(m.From, randomBody(30_000), mixnet.SendOptions{})
		if _, err := alice.Receive(ctx); err != nil {
			t.Fatal(err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(sizes) != 2 || sizes[mixnet.Regular.Total()] == 0 || sizes[mixnet.AckSize.Total()] == 0 {
			t.Errorf("sizes of packets: %v", sizes)
		}
		if len(versions) != 1 || versions[sphinx.Version259] == 0 {
			t.Errorf("versions of packets: %v", versions)
		}
		if len(delays) != 4 {
			t.Errorf("%d kinds of packets, want 4", len(delays))
		}
		for kind, of := range delays { // beyond 3/√n once in thirty million times
			if d := kolmogorov(of, 0.015); d > 3/math.Sqrt(float64(len(of))) {
				t.Errorf("delays of %s are not exponential with mean 15 ms: distance %.4f over %d", kind, d, len(of))
			}
		}
	})
}

// A gateway that is gone for a while, and one that has forgotten us.
func TestSessionComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		alice, bob := n.client(0, Config{Traffic: Fast()}), n.client(1, Config{Traffic: Fast()})
		for i, forget := range []bool{false, true} {
			n.mu.Lock()
			live := n.live[bob.Address().Identity]
			if forget {
				delete(n.accounts, bob.Address().Identity)
			}
			n.mu.Unlock()
			live.End("test")
			body := []byte{byte(i)}
			alice.send(bob.Address(), body, mixnet.SendOptions{})
			bob.want(body)
		}
		if got := bob.Stats().Reconnects; got != 3 {
			t.Errorf("%d sessions, want 3", got)
		}
	})
}

func TestEndTellsEverybody(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		n.lose = func(mixnet.NodeAddr, []byte) bool { return true }
		inner, stop := context.WithCancel(ctx)
		cfg := Config{Traffic: Fast(), LaneRoom: 1, Entries: []Entry{n.entry(0, nil)}, Topology: n.topology, Dial: n.dial}
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(inner) }()
		<-c.Ready()
		fate, waits, receives := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		if err := c.Send(ctx, c.Address(), []byte("lost"), mixnet.SendOptions{Done: func(err error) { fate <- err }}); err != nil {
			t.Fatal(err)
		}
		go func() { waits <- c.Send(ctx, c.Address(), []byte("waits"), mixnet.SendOptions{}) }()
		go func() { _, err := c.Receive(ctx); receives <- err }()
		synctest.Wait()
		stop()
		for what, ch := range map[string]chan error{"in flight": fate, "waiting": waits, "receiving": receives} {
			if err := <-ch; !errors.Is(err, mixnet.ErrClosed) {
				t.Errorf("%s: got %v, want %v", what, err, mixnet.ErrClosed)
			}
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := c.Send(ctx, c.Address(), []byte("late"), mixnet.SendOptions{}); !errors.Is(err, mixnet.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		c.CloseLane(1)
	})
}

// hardening.md H05: "Keep-alives and refreshes are jittered."
func TestH05RefreshIsJittered(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		var asked []time.Time
		c, err := New(Config{
			Traffic: Fast(), Entries: []Entry{n.entry(0, nil)}, Dial: n.dial, Refresh: 10 * time.Minute,
			Topology: func(context.Context) (*topology.Network, error) {
				asked = append(asked, time.Now())
				return n.nw, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		inner, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- c.Run(inner) }()
		time.Sleep(10 * time.Hour)
		stop()
		<-ended
		if len(asked) < 45 || len(asked) > 80 { // mean 61, beyond 5σ
			t.Fatalf("asked %d times in ten hours, want about 60", len(asked))
		}
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(asked); i++ {
			gap := asked[i].Sub(asked[i-1])
			if gap < 5*time.Minute || gap > 15*time.Minute {
				t.Errorf("asked again after %v", gap)
			}
			gaps[gap] = true
		}
		if len(gaps) < len(asked)/2 {
			t.Errorf("only %d different pauses", len(gaps))
		}
	})
}

// The directory and the gateway may be away for as long as they like.
func TestWaitsForTheNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		began := time.Now()
		c, err := New(Config{
			Traffic: Fast(), Entries: []Entry{n.entry(0, nil)},
			Topology: func(context.Context) (*topology.Network, error) {
				if time.Since(began) < time.Hour {
					return nil, errors.New("away")
				}
				return n.nw, nil
			},
			Dial: func(ctx context.Context, url string) (session.MessageConn, error) {
				if time.Since(began) < 2*time.Hour {
					return nil, errors.New("away")
				}
				return n.dial(ctx, url)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		inner, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- c.Run(inner) }()
		<-c.Ready()
		if took := time.Since(began); took > 2*time.Hour+time.Minute {
			t.Errorf("connected %v after the start, want within a minute of two hours", took)
		}
		stop()
		<-ended
	})
}

// SURBs made ahead serve one snapshot of the topology and no other.
func TestPreparedSURBs(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		c := n.client(0, Config{Traffic: Fast()})
		time.Sleep(time.Second)
		first := c.surbCache.take(n.nw, c.entry.Load(), 100)
		if len(first) != madeAhead {
			t.Fatalf("%d SURBs were made ahead, want %d", len(first), madeAhead)
		}
		time.Sleep(time.Second)
		seen := map[keys.Reply]bool{}
		for _, r := range append(first, c.surbCache.take(n.nw, c.entry.Load(), 100)...) {
			if seen[r.Key] {
				t.Fatal("a SURB was given out twice")
			}
			seen[r.Key] = true
		}
		if len(seen) != 2*madeAhead {
			t.Errorf("%d SURBs in all, want %d", len(seen), 2*madeAhead)
		}
		time.Sleep(time.Second)
		other := newFakeNet(t, ctx, 1)
		if got := c.surbCache.take(other.nw, c.entry.Load(), 100); len(got) != 0 {
			t.Errorf("%d SURBs for a network they were not made for", len(got))
		}
	})
}

// sphinx.md §7: a conversation that rests while the Sphinx keys change goes on
// afterwards, though all SURBs that were out are of no use any more.
func TestConversationOutlivesRotation(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		cfg := Config{Traffic: Fast(), Refresh: time.Minute}
		alice, bob := n.client(0, cfg), n.client(1, cfg)
		tag := mixnet.NewSenderTag()
		exchange := func() {
			t.Helper()
			alice.send(bob.Address(), []byte("are you there?"), mixnet.SendOptions{As: tag})
			bob.want([]byte("are you there?"))
			bob.reply(tag, []byte("yes"), mixnet.SendOptions{})
			alice.want([]byte("yes"))
		}
		exchange()
		for _, resting := range []bool{true, false} {
			hour := func() {
				for range 60 {
					if !resting {
						exchange()
					}
					time.Sleep(time.Minute)
				}
			}
			alice.Pause(tag, resting) // no stream is open
			hour()
			n.rotate()
			hour()
			n.drop()
			hour()
			alice.Pause(tag, false)
			body := randomBody(20_000)
			began := time.Now()
			alice.send(bob.Address(), []byte("after"), mixnet.SendOptions{As: tag})
			bob.want([]byte("after"))
			bob.reply(tag, body, mixnet.SendOptions{})
			alice.want(body)
			if took := time.Since(began); took > time.Second {
				t.Errorf("with streams closed (%v): the first exchange after the change took %v", resting, took)
			}
		}
	})
}

// No packet of a download is lost to a change of Sphinx keys, while the nodes
// keep the old ones for an epoch.
func TestDownloadOverRotation(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 2)
		cfg := Config{Traffic: Fast(), Refresh: time.Second}
		alice, bob := n.client(0, cfg), n.client(1, cfg)
		tag := mixnet.NewSenderTag()
		alice.send(bob.Address(), []byte("go"), mixnet.SendOptions{As: tag, SURBs: 20})
		bob.want([]byte("go"))
		time.Sleep(time.Minute)
		// The first messages may have come before the other end was online.
		first := alice.Stats().SentAgain + bob.Stats().SentAgain
		for minute := range 2 * 60 {
			switch minute {
			case 30:
				n.rotate()
			case 90:
				n.drop()
			}
			body := randomBody(20_000)
			bob.reply(tag, body, mixnet.SendOptions{})
			alice.want(body)
			time.Sleep(time.Minute)
		}
		if a, b := alice.Stats(), bob.Stats(); a.SentAgain+b.SentAgain != first || b.SentData < 1500 {
			t.Errorf("%d fragments were lost of %d", a.SentAgain+b.SentAgain-first, b.SentData)
		}
	})
}

// SURBs of a message that failed, or was never accepted, count as under way no more:
// the next one carries its own.
func TestSURBsOfFailedMessages(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context) {
		n := newFakeNet(t, ctx, 1)
		n.lose = func(mixnet.NodeAddr, []byte) bool { return true }
		alice, bob := n.client(0, Config{Traffic: Fast(), LaneRoom: 8}), n.client(1, Config{Traffic: Fast()})
		tag := mixnet.NewSenderTag()
		sending := func() (n int) {
			alice.order(func(l *loop) { n = l.granted.byTag[tag].sending })
			return n
		}
		alice.send(bob.Address(), []byte("x"), mixnet.SendOptions{As: tag, Lane: 1})
		if got := sending(); got != startSURBs {
			t.Errorf("%d SURBs are under way, want %d", got, startSURBs)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := alice.Send(short, bob.Address(), randomBody(20_000), mixnet.SendOptions{As: tag, SURBs: 40, Lane: 1}); err == nil {
			t.Fatal("a full lane took a message")
		}
		if got := sending(); got != startSURBs {
			t.Errorf("with one withdrawn: %d SURBs are under way, want %d", got, startSURBs)
		}
		alice.CloseLane(1)
		if got := sending(); got != startSURBs-spareSURBs {
			t.Errorf("when the message has failed, %d SURBs are under way, want those that were granted behind it", got)
		}
		time.Sleep(time.Minute)
		if got := sending(); got != 0 {
			t.Errorf("a minute later, %d SURBs are under way to nobody", got)
		}
		before := alice.Stats().Sent
		time.Sleep(time.Minute)
		if after := alice.Stats().Sent; after != before {
			t.Errorf("%d packets sent to nobody", after-before)
		}
	})
}
