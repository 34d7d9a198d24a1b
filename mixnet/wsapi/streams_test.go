package wsapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// channels are streams in memory, for programs of one server: a stream to a port at
// which somebody listens comes there, whatever the address.
type channels struct {
	mu    sync.Mutex
	ports map[uint16]*channelListener
}

func newChannels() *channels { return &channels{ports: make(map[uint16]*channelListener)} }

type channelListener struct {
	asked chan *channel
	done  chan struct{}
}

// A channel is a stream that is asked for.
type channel struct {
	ctx     context.Context
	far     net.Conn
	outcome chan error
}

var errNobody = errors.New("nobody listens")

func (c *channels) streams() *Streams {
	return &Streams{
		Dial: func(ctx context.Context, _ mixnet.Recipient, port uint16) (net.Conn, error) {
			c.mu.Lock()
			l := c.ports[port]
			c.mu.Unlock()
			if l == nil {
				return nil, errNobody
			}
			near, far := net.Pipe()
			v := &channel{ctx, far, make(chan error, 1)}
			select {
			case l.asked <- v:
			case <-l.done:
				return nil, errNobody
			}
			select {
			case err := <-v.outcome:
				return near, err
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		Listen: func(port uint16) (StreamListener, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.ports[port] != nil {
				return nil, fmt.Errorf("port %d is in use", port)
			}
			c.ports[port] = &channelListener{make(chan *channel), make(chan struct{})}
			return c.ports[port], nil
		},
		Splice: func(ctx context.Context, stream, socket net.Conn, from io.Reader) {
			defer context.AfterFunc(ctx, func() { stream.Close(); socket.Close() })()
			ended := make(chan struct{})
			go func() { defer close(ended); io.Copy(stream, from); stream.Close() }()
			io.Copy(socket, stream)
			socket.Close()
			<-ended
		},
	}
}

func (l *channelListener) Next(ctx context.Context) (IncomingStream, error) {
	select {
	case v := <-l.asked:
		return v, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *channelListener) Close() error { close(l.done); return nil }

func (v *channel) Accept() (net.Conn, error) { v.outcome <- nil; return v.far, nil }
func (v *channel) Context() context.Context  { return v.ctx }
func (v *channel) Refuse()                   { v.outcome <- errNobody }

// connects asks for a stream. What is said in place of one is text.
func (w *world) connects(target, header string) (c net.Conn, status int, text string) {
	w.Helper()
	c, err := w.net.DialContext(w.Context(), "tcp", addr)
	if err != nil {
		w.Fatal(err)
	}
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, header)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		w.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK {
		w.Cleanup(func() { c.Close() })
		return c, resp.StatusCode, ""
	}
	b, _ := io.ReadAll(resp.Body)
	c.Close()
	return nil, resp.StatusCode, strings.TrimSpace(string(b))
}

// One program listens and another dials; each stream is told of, and is whose who
// comes for it first.
func TestStreams(t *testing.T) {
	names := func(name string) (mixnet.Recipient, bool) { return somebody, name == "bob" }
	inWorld(t, Config{Names: names, Streams: newChannels().streams()}, mixnettest.Options{}, func(t *testing.T, w *world) {
		p, other := w.connect(), w.connect()
		if _, status, text := w.connects("bob:22", ""); status != http.StatusBadGateway || text != errNobody.Error() {
			t.Errorf("where nobody listens: %d %s", status, text)
		}
		p.text(`{"type":"listen","port":22,"id":1}`)
		p.saysText(`{"type":"ok","id":1}`)
		other.text(`{"type":"listen","port":22,"id":2}`)
		other.saysText(`{"type":"error","message":"other:port 22 is in use","id":2}`)

		for _, to := range []string{"bob", somebody.String()} {
			dialed := make(chan net.Conn, 1)
			go func() {
				c, status, text := w.connects(to+":22", "")
				if status != http.StatusOK {
					t.Errorf("%s: %d %s", to, status, text)
				}
				dialed <- c
			}()
			name := p.incoming(22)
			far, status, text := w.connects(name+":22", "")
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, text)
			}
			near := <-dialed
			go io.WriteString(near, "there")
			b := make([]byte, 5)
			if _, err := io.ReadFull(far, b); err != nil || string(b) != "there" {
				t.Errorf("got %q, %v", b, err)
			}
			if _, status, _ := w.connects(name+":22", ""); status != http.StatusBadRequest {
				t.Errorf("a stream is given twice: %d", status)
			}
			far.Close()
			if n, err := near.Read(b); err != io.EOF {
				t.Errorf("read %d, %v; want the end", n, err)
			}
			near.Close()
		}

		refused := make(chan string, 1)
		ask := func() {
			_, status, text := w.connects("bob:22", "")
			refused <- fmt.Sprint(status, " ", text)
		}
		const want = "502 nobody listens"
		go ask()
		name := p.incoming(22)
		other.text(`{"type":"refuse","stream":"` + name + `","id":3}`) // it knows the name
		other.saysText(`{"type":"ok","id":3}`)
		if got := <-refused; got != want {
			t.Errorf("refused: %s", got)
		}
		p.text(`{"type":"refuse","stream":"` + name + `","id":4}`)
		p.saysText(`{"type":"error","message":"other:no stream of that name waits","id":4}`)

		go ask()
		p.incoming(22)
		began := time.Now()
		if got := <-refused; got != want || time.Since(began) != arrivalPatience {
			t.Errorf("a stream that nobody comes for: %s after %v", got, time.Since(began))
		}

		go ask()
		p.incoming(22)
		p.ws.CloseNow()
		if got := <-refused; got != want {
			t.Errorf("the program that listens has gone: %s", got)
		}
		time.Sleep(time.Second)
		if _, _, text := w.connects("bob:22", ""); text != "nobody listens" {
			t.Errorf("a listener outlives its program: %s", text)
		}
	})
}

// incoming wants to be told of a stream, and gives its name.
func (p *program) incoming(port uint16) (name string) {
	p.Helper()
	_, b, err := p.read()
	if err != nil {
		p.Fatal(err)
	}
	head := fmt.Sprintf(`{"type":"incoming","port":%d,"stream":"`, port)
	name, ok := strings.CutPrefix(strings.TrimSuffix(string(b), `"}`), head)
	if !ok || len(name) != 26 {
		p.Fatalf("got %s, want %s and a name", b, head)
	}
	return name
}

// Listening ends when the program says so, and what makes no sense is refused.
func TestListenAndUnlisten(t *testing.T) {
	inWorld(t, Config{Streams: newChannels().streams()}, mixnettest.Options{}, func(t *testing.T, w *world) {
		p := w.connect()
		for i, row := range []struct{ request, why string }{
			{`"type":"listen","port":0`, `malformed request:the port is none from 1 to 65535`},
			{`"type":"listen","port":65536`, `malformed request:the value of port is of the wrong kind`},
			{`"type":"listen","port":"22"`, `malformed request:the value of port is of the wrong kind`},
			{`"type":"listen"`, `malformed request:there is no port`},
			{`"type":"unlisten","port":5`, `other:the program does not listen at port 5`},
			{`"type":"refuse"`, `malformed request:there is no stream`},
		} {
			p.text(fmt.Sprintf(`{%s,"id":%d}`, row.request, i))
			p.saysText(fmt.Sprintf(`{"type":"error","message":"%s","id":%d}`, row.why, i))
		}
		for i := range maxPorts {
			p.text(fmt.Sprintf(`{"type":"listen","port":%d,"id":1}`, i+1))
			p.saysText(`{"type":"ok","id":1}`)
		}
		p.text(`{"type":"listen","port":1000,"id":2}`)
		p.saysText(`{"type":"error","message":"other:the program listens at 64 ports already, and no more are allowed","id":2}`)
		p.text(`{"type":"unlisten","port":1,"id":3}`)
		p.saysText(`{"type":"ok","id":3}`)
		p.text(`{"type":"listen","port":1000,"id":4}`)
		p.saysText(`{"type":"ok","id":4}`)
	})
}

// hardening.md H34: web pages cannot open streams, nor programs without the token.
func TestH34StreamsAreForPrograms(t *testing.T) {
	inWorld(t, Config{Streams: newChannels().streams(), Token: "sesame"}, mixnettest.Options{}, func(t *testing.T, w *world) {
		for _, row := range []struct {
			target, header string
			status         int
		}{
			{somebody.String() + ":22", "", http.StatusForbidden},
			{somebody.String() + ":22", "Authorization: Bearer Sesame\r\n", http.StatusForbidden},
			{somebody.String() + ":22", "Authorization: Bearer sesame\r\nOrigin: http://localhost:1977\r\n", http.StatusForbidden},
			{somebody.String() + ":22", "Authorization: Bearer sesame\r\n", http.StatusBadGateway},
			{somebody.String() + ":022", "Authorization: Bearer sesame\r\n", http.StatusBadRequest},
			{somebody.String() + ":65536", "Authorization: Bearer sesame\r\n", http.StatusBadRequest},
			{somebody.String(), "Authorization: Bearer sesame\r\n", http.StatusBadRequest},
			{"nobody:22", "Authorization: Bearer sesame\r\n", http.StatusBadRequest},
		} {
			if _, status, text := w.connects(row.target, row.header); status != row.status {
				t.Errorf("%.20s with %q: %d %s, want %d", row.target, row.header, status, text, row.status)
			}
		}
		if w.log.Len() > 0 && strings.Contains(w.log.String(), somebody.String()) {
			t.Error("the log names who is dialed")
		}
	})
	inWorld(t, Config{}, mixnettest.Options{}, func(t *testing.T, w *world) {
		if _, status, _ := w.connects(somebody.String()+":22", ""); status != http.StatusNotImplemented {
			t.Errorf("without streams: %d", status)
		}
		p := w.connect()
		p.text(`{"type":"listen","port":1,"id":1}`)
		p.saysText(`{"type":"error","message":"other:this client has no streams","id":1}`)
	})
}

// A program that does not take what comes on its stream holds up nobody, and streams
// have a bound of their own.
func TestStreamsAreBounded(t *testing.T) {
	inWorld(t, Config{Streams: newChannels().streams(), MaxStreams: 2}, mixnettest.Options{}, func(t *testing.T, w *world) {
		p := w.connect()
		p.text(`{"type":"listen","port":1,"id":1}`)
		p.saysText(`{"type":"ok","id":1}`)
		dialed := make(chan net.Conn, 1)
		go func() { c, _, _ := w.connects(somebody.String()+":1", ""); dialed <- c }()
		far, _, _ := w.connects(p.incoming(1)+":1", "")
		near := <-dialed
		go func() { // without end; nobody reads it
			for {
				if _, err := near.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Minute)
		if _, status, _ := w.connects(somebody.String()+":1", ""); status != http.StatusServiceUnavailable {
			t.Errorf("one beyond the bound: %d", status)
		}
		p.text(`{"type":"selfAddress"}`)
		p.saysText(`{"type":"selfAddress","address":"` + w.near.Address().String() + `"}`)
		far.Close()
		near.Close()
		time.Sleep(time.Second)
		if _, status, _ := w.connects(somebody.String()+":2", ""); status != http.StatusBadGateway {
			t.Errorf("after they ended: %d", status)
		}
	})
}
