//go:build !js

package sessionserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves a gateway on loopback and gives its URL. What the gateway's
// end of each connection is, goes through seen.
func listen(t *testing.T, g *fakeGateway, seen func(session.MessageConn)) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Accept(w, r)
		if err != nil {
			return
		}
		if seen != nil {
			seen(conn)
			return
		}
		g.server.Serve(ctx, conn)
	}))
	t.Cleanup(func() {
		cancel()
		srv.Close()
	})
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestWebSocketLoopback(t *testing.T) {
	g := newFakeGateway(t, nil)
	url := listen(t, g, nil)
	ctx := deadline(t)
	id := keys.NewIdentityKey()

	conn, err := session.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, negotiated, err := session.Register(ctx, conn, id, g.identity.Public())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(session.CloseNormal, "")
	waitFor(t, func() bool { _, _, _, gone := g.counts(); return gone == 1 })

	dialed := 0
	conn, err = session.Dial(ctx, url, func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialed++
		return new(net.Dialer).DialContext(ctx, network, addr)
	})
	if err != nil || dialed != 1 {
		t.Fatalf("dialed %d times: %v", dialed, err)
	}
	got := make(chan []byte, 100)
	c, err := session.Authenticate(ctx, conn, id, protocol.NewSealer(key), time.Now(), func(b []byte) { got <- bytes.Clone(b) })
	if err != nil || c.Version() != negotiated {
		t.Fatal(err)
	}
	runCtx, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- c.Run(runCtx) }()

	// The largest packet there is, for an IPv6 hop.
	big := sessiontest.PacketOf(mixnet.Extended32)
	big.Next = hop6
	if err := c.Send(ctx, big); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { packets, _, _, _ := g.counts(); return packets == 1 })
	if !bytes.Equal(g.packets[0].Packet, big.Packet) || g.packets[0].Next != hop6 {
		t.Error("another packet arrived than was sent")
	}

	// And the largest message, between many small ones.
	s := g.session(id.Public())
	sizes := []int{21, 1643, 32363, 7787, 1643, 15979}
	for i, n := range sizes {
		if _, err := s.DeliverWait(ctx, bytes.Repeat([]byte{byte(i)}, n)); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range sizes {
		if m := <-got; !bytes.Equal(m, bytes.Repeat([]byte{byte(i)}, n)) {
			t.Errorf("message %d has %d bytes, want %d", i, len(m), n)
		}
	}
	for i := range 500 {
		if _, err := s.DeliverWait(ctx, sessiontest.MessageOf(i)); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			for j := i - 99; j <= i; j++ {
				if m := <-got; !bytes.Equal(m, sessiontest.MessageOf(j)) {
					t.Fatalf("got %q, want message %d", m, j)
				}
			}
		}
	}
	if err := s.Ping(ctx); err != nil {
		t.Errorf("gateway pings: %v", err)
	}
	if err := c.Ping(ctx); err != nil {
		t.Errorf("client pings: %v", err)
	}
	if err := c.Remember(ctx, protocol.SessionSOCKS5); err != nil {
		t.Errorf("Remember: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// waitFor waits for what another goroutine is about to do.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for ctx := deadline(t); !done(); {
		select {
		case <-ctx.Done():
			t.Fatal("waited for nothing")
		case <-time.After(time.Millisecond):
		}
	}
}

// nodes.md §1.9: "the client sends three pings with payload 01 02 03, 1 s
// timeout each"; §1.1: "JS clients do [offer permessage-deflate] (the server
// must simply not select it …)"
func TestWebSocketPingBeforeAuthentication(t *testing.T) {
	g := newFakeGateway(t, nil)
	url := listen(t, g, nil)
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	// All at once, without waiting for the upgrade.
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Origin: https://foreign.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"+strings.Repeat("\x89\x83\x00\x00\x00\x00\x01\x02\x03", 3))
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("upgrade: %+v, %v", resp, err)
	}
	pongs := make([]byte, 15)
	if _, err := io.ReadFull(r, pongs); err != nil || string(pongs) != strings.Repeat("\x8a\x03\x01\x02\x03", 3) {
		t.Errorf("pongs %x, %v", pongs, err)
	}
	question := "\x81\x9c\x00\x00\x00\x00" + `{"type":"supportedProtocol"}`
	io.WriteString(c, question)
	answer := `{"type":"supportedProtocol","version":6}`
	b := make([]byte, 2+len(answer))
	if _, err := io.ReadFull(r, b); err != nil || string(b[2:]) != answer {
		t.Errorf("answer %q, %v", b, err)
	}
}

// "WebSocket read limits are set to the largest legal frame of the protocol"
func TestH35ReadLimit(t *testing.T) {
	for _, fromClient := range []bool{true, false} {
		ends := make(chan session.MessageConn, 1)
		release := make(chan struct{})
		url := listen(t, nil, func(c session.MessageConn) { ends <- c; <-release })
		ctx := deadline(t)
		client, err := session.Dial(ctx, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		gateway := <-ends
		from, to := gateway, client
		if fromClient {
			from, to = client, gateway
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			from.Write(ctx, false, make([]byte, protocol.MaxMessage))
			from.Write(ctx, false, make([]byte, protocol.MaxMessage+1))
		}()
		if _, b, err := to.Read(ctx); err != nil || len(b) != protocol.MaxMessage {
			t.Errorf("largest message: %d bytes, %v", len(b), err)
		}
		if _, _, err := to.Read(ctx); err == nil || !strings.Contains(err.Error(), "message too big") {
			t.Errorf("one byte more: %v, want that it is too big", err)
		}
		<-sent
		client.Close(session.CloseNormal, "")
		gateway.Close(session.CloseNormal, "")
		close(release)
	}
}

// Close ends even when the far end neither reads nor answers.
func TestWebSocketCloseDoesNotWaitForEver(t *testing.T) {
	ends := make(chan session.MessageConn, 1)
	release := make(chan struct{})
	url := listen(t, nil, func(c session.MessageConn) { ends <- c; <-release })
	client, err := session.Dial(deadline(t), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	gateway := <-ends
	read := make(chan error)
	go func() { _, _, err := client.Read(context.Background()); read <- err }()
	client.Close(session.ClosePolicy, "test")
	if err := <-read; err != session.ErrClosed {
		t.Errorf("Read gives %v, want ErrClosed", err)
	}
	gateway.Close(session.CloseNormal, "")
	close(release)
}

// Errors of connections name no host.
func TestH38ConnectionErrorsNameNoHost(t *testing.T) {
	g := newFakeGateway(t, nil)
	url := listen(t, g, nil)
	ctx := deadline(t)
	var below net.Conn
	conn, err := session.Dial(ctx, url, func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			below = c
			c.(*net.TCPConn).SetLinger(0)
		}
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	below.Close()
	_, _, readErr := conn.Read(ctx)
	_, noHost := session.Dial(ctx, "ws://canary.invalid:1", func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "canary.invalid"}}
	})
	_, noServer := session.Dial(ctx, "ws://canary.invalid:1", func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("canary.invalid is down")
	})
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, noWebSocket := session.Dial(ctx, plain.URL, nil)
	moved := httptest.NewServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer moved.Close()
	_, redirected := session.Dial(ctx, moved.URL, nil)
	plain.Close()
	_, refused := session.Dial(ctx, plain.URL, nil)
	for name, err := range map[string]error{
		"read": readErr, "no host": noHost, "no server": noServer, "no WebSocket": noWebSocket, "redirected": redirected, "refused": refused,
	} {
		if err == nil || strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAcceptRefusesPlainRequests(t *testing.T) {
	w := httptest.NewRecorder()
	if _, err := Accept(w, httptest.NewRequest("GET", "/", nil)); err != errNoUpgrade || w.Code != http.StatusUpgradeRequired {
		t.Errorf("%v, status %d", err, w.Code)
	}
}

// A countingConn counts and keeps what is written.
type countingConn struct {
	net.Conn
	writes int
	bytes.Buffer
}

func (c *countingConn) Write(b []byte) (int, error)      { c.writes++; return c.Buffer.Write(b) }
func (c *countingConn) Read(b []byte) (int, error)       { return c.Buffer.Read(b) }
func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }

// "Pooled buffers never leave beyond their length"
func TestH37HeldWritesAreSentOnceAndWhole(t *testing.T) {
	canary := bytes.Repeat([]byte("canary"), heldBytes/6)
	below := &countingConn{}
	c := &heldConn{Conn: below}
	var want []byte
	for round, sizes := range [][]int{{10, 2450, 80}, {}, {heldBytes}, {heldBytes - 1, 2}, {heldBytes + 1, 3}, {7}} {
		dirty := append(make([]byte, 0, heldBytes), canary...)[:0]
		heldBuffers.Put(&dirty)
		before := below.writes
		c.hold()
		for _, n := range sizes {
			b := make([]byte, n)
			rand.Read(b)
			want = append(want, b...)
			if got, err := c.Write(b); got != n || err != nil {
				t.Fatalf("Write gives %d, %v", got, err)
			}
		}
		if err := c.release(); err != nil {
			t.Fatal(err)
		}
		if got, most := below.writes-before, []int{1, 0, 1, 2, 2, 1}[round]; got != most {
			t.Errorf("round %d: %d writes, want %d", round, got, most)
		}
	}
	c.Write([]byte("not held"))
	if got := below.Bytes(); !bytes.Equal(got, append(want, "not held"...)) {
		t.Errorf("%d bytes arrived, want %d, or others", len(got), len(want)+8)
	}
}

// A busy session costs far fewer writes than messages, and no memory per frame
// once it is warm.
func TestBatchesAreHeld(t *testing.T) {
	below := &countingConn{}
	held := &heldConn{Conn: below}
	conn := &batchRecorder{held: held}
	_, gateway := sessiontest.Pair()
	o := newOutbox(256<<10, gateway)
	for i := range 50 {
		if _, _, ok := o.push(sessiontest.MessageOf(i)); !ok {
			t.Fatal("full")
		}
		o.text(t.Context(), sentAnswer)
	}
	o.close()
	if err := o.run(conn); err != nil {
		t.Fatal(err)
	}
	if below.writes != 1 || conn.messages != 100 || o.written.Load() != 50 {
		t.Errorf("%d messages in %d writes, %d pushes written", conn.messages, below.writes, o.written.Load())
	}
}

type batchRecorder struct {
	session.MessageConn
	held     *heldConn
	messages int
}

func (c *batchRecorder) hold()          { c.held.hold() }
func (c *batchRecorder) release() error { return c.held.release() }
func (c *batchRecorder) Write(_ context.Context, _ bool, b []byte) error {
	c.messages++
	_, err := c.held.Write(b)
	return err
}

// One packet from client to gateway, and its answer: both ends' cost.
func BenchmarkWebSocketPacket(b *testing.B) {
	g := newFakeGateway(b, nil)
	ctx := context.Background()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(w, r); err == nil {
			g.server.Serve(ctx, conn)
		}
	}))
	defer srv.Close()
	id, sealer := g.account()
	conn, err := session.Dial(ctx, srv.URL, nil)
	if err != nil {
		b.Fatal(err)
	}
	c, err := session.Authenticate(ctx, conn, id, sealer, time.Now(), func([]byte) {})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	packet := sessiontest.PacketOf(mixnet.Regular)
	buf := make([]byte, 0, protocol.MaxMessage)
	b.SetBytes(int64(len(packet.Packet)))
	b.ReportAllocs()
	for b.Loop() {
		frame, err := c.AppendFrame(buf, packet)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.WriteFrame(ctx, frame); err != nil {
			b.Fatal(err)
		}
	}
	conn.Close(int(websocket.StatusNormalClosure), "")
	<-done
}
