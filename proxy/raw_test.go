package proxy

import (
	"context"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy/protocol"
)

// rawClient speaks raw bytes to our requester, as clients of others do.
type rawClient struct {
	*world
	v  protocol.Versions
	as mixnet.SenderTag // zero: plain, as mix-fetch
	id protocol.StreamID
}

func (w *world) rawClient(v protocol.Versions, as mixnet.SenderTag) *rawClient {
	return &rawClient{world: w, v: v, as: as, id: 0x0102030405060708}
}

func (r *rawClient) say(body protocol.RequestBody) {
	r.t.Helper()
	b, err := protocol.Request{Versions: r.v, Body: body}.AppendBinary(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.A.Send(r.t.Context(), r.B.Address(), b, mixnet.SendOptions{As: r.as, SURBs: 20}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rawClient) connect() {
	c := protocol.Connect{ID: r.id, Target: "target.test:80"}
	if r.as.IsZero() {
		c.Return = r.A.Address()
	}
	r.say(c)
}

func (r *rawClient) send(seq uint64, data string, closed bool) {
	r.say(protocol.Send{ID: r.id, Seq: seq, Data: []byte(data), Closed: closed})
}

// hear waits for the next response, which must come in our versions and to our tag.
func (r *rawClient) hear() protocol.ResponseBody {
	r.t.Helper()
	m, err := r.A.Receive(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	got, err := protocol.ParseResponse(m.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	_, control := got.Body.(protocol.ControlAnswer)
	if got.Interface != r.v.Interface || !control && got.Protocol != r.v.Protocol || m.To != r.as {
		r.t.Errorf("answered in %v to %v, want %v", got.Versions, m.To, r.v)
	}
	return got.Body
}

// want waits for data.
func (r *rawClient) want(seq uint64, data string, closed bool) {
	r.t.Helper()
	d, ok := r.hear().(protocol.Data)
	if !ok || d.ID != r.id || d.Seq != seq || string(d.Data) != data || d.Closed != closed {
		r.t.Errorf("got %+v, want seq %d, %q, closed %v", d, seq, data, closed)
	}
}

// silence fails if anything comes within d.
func (r *rawClient) silence(d time.Duration) {
	r.t.Helper()
	silence(r.t, r.A, d)
}

func silence(t *testing.T, e *mixnettest.End, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if m, err := e.Receive(ctx); err == nil {
		t.Errorf("got %x, want nothing", m.Body)
	}
}

// rawRequester speaks raw bytes to our client, as requesters of others do.
type rawRequester struct {
	*world
	v     protocol.Versions
	tag   mixnet.SenderTag
	id    protocol.StreamID
	asked int // control requests passed over
}

// inClient runs f in a bubble with our client and a raw requester.
func inClient(t *testing.T, f func(*testing.T, *world, *rawRequester)) {
	t.Helper()
	inWorld(t, smooth, Config{}, Config{}, nil, func(t *testing.T, w *world) {
		f(t, w, &rawRequester{world: w, v: protocol.CurrentVersions})
	})
}

// hear waits for the next request. Notes and questions are passed over.
func (r *rawRequester) hear() protocol.RequestBody {
	r.t.Helper()
	for {
		m, err := r.B.Receive(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		q, err := protocol.ParseRequest(m.Body)
		if err != nil {
			r.t.Fatal(err)
		}
		if _, ok := q.Body.(protocol.Control); ok {
			r.asked++
			continue
		}
		if q.Versions != protocol.CurrentVersions {
			r.t.Errorf("asked in %v", q.Versions)
		}
		r.tag = m.From
		return q.Body
	}
}

// connect waits for the Connect.
func (r *rawRequester) connect() protocol.Connect {
	r.t.Helper()
	c, ok := r.hear().(protocol.Connect)
	if !ok {
		r.t.Fatalf("got %+v, want a Connect", c)
	}
	r.id = c.ID
	return c
}

// connected waits for the Connect and says yes.
func (r *rawRequester) connected() {
	r.t.Helper()
	r.connect()
	r.send(0, "", false)
}

func (r *rawRequester) say(body protocol.ResponseBody) {
	r.t.Helper()
	b, err := protocol.Response{Versions: r.v, Body: body}.AppendBinary(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.sayAs(r.tag, b)
}

func (r *rawRequester) sayAs(tag mixnet.SenderTag, b []byte) {
	r.t.Helper()
	if err := r.B.Reply(r.t.Context(), tag, b, mixnet.SendOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rawRequester) send(seq uint64, data string, closed bool) {
	r.t.Helper()
	r.say(protocol.Data{ID: r.id, Seq: seq, Data: []byte(data), Closed: closed})
}

// want waits for data.
func (r *rawRequester) want(seq uint64, data string, closed bool) {
	r.t.Helper()
	s, ok := r.hear().(protocol.Send)
	if !ok || s.ID != r.id || s.Seq != seq || string(s.Data) != data || s.Closed != closed {
		r.t.Errorf("got %+v, want seq %d, %q, closed %v", s, seq, data, closed)
	}
}

// dialing starts a Dial and returns its result on a channel.
func (w *world) dialing(o DialOptions) <-chan dialed {
	out := make(chan dialed, 1)
	w.wg.Go(func() {
		c, err := w.client.Dial(w.t.Context(), w.B.Address(), "target.test:80", o)
		out <- dialed{c, err}
	})
	return out
}

type dialed struct {
	c   *Conn
	err error
}
