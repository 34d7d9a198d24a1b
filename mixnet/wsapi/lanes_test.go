package wsapi

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// Connection ids of two programs have nothing to do with each other.
func TestLanesOfPeersAreApart(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{LaneSize: 1, Latency: time.Hour}, func(t *testing.T, w *world) {
		a, b := w.connect(), w.connect()
		seven := connID{7, true}
		a.binary(request{kind: sendRequest, to: w.far.Address(), conn: seven, message: []byte("x")})
		if r := a.saysBinary(queueLengthResponse); r.length != 1 {
			t.Errorf("%d packets in the lane, want 1", r.length)
		}
		b.binary(request{kind: queueLengthRequest, conn: seven})
		if r := b.saysBinary(queueLengthResponse); r.length != 0 {
			t.Errorf("%d packets in the other's lane, want 0", r.length)
		}
		b.binary(request{kind: closedRequest, conn: seven})
		a.binary(request{kind: queueLengthRequest, conn: seven})
		if r := a.saysBinary(queueLengthResponse); r.length != 1 {
			t.Errorf("%d packets in the lane, want 1: it was closed by another program", r.length)
		}
	})
}

// A send that waits for room holds up neither other connections nor other
// programs, and closing its connection ends it.
func TestFullLaneHoldsUpNobodyElse(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{LaneSize: 1, Latency: time.Hour}, func(t *testing.T, w *world) {
		a, b := w.connect(), w.connect()
		send := func(p *program, id string, conn int) {
			p.text(fmt.Sprintf(`{"type":"send","recipient":%s,"message":"%s","connectionId":%d,"id":"%s"}`,
				quote(w.far.Address().String()), id, conn, id))
		}
		length := func(p *program, conn, n int) {
			t.Helper()
			p.saysText(fmt.Sprintf(`{"type":"laneQueueLength","lane":%d,"queue_length":%d}`, conn, n))
		}
		ok := func(p *program, id string) {
			t.Helper()
			p.saysText(`{"type":"ok","id":"` + id + `"}`)
		}
		send(a, "first", 1)
		length(a, 1, 1)
		ok(a, "first")
		send(a, "second", 1) // waits for the first
		send(a, "third", 1)
		send(a, "fourth", 2)
		length(a, 2, 1)
		ok(a, "fourth")
		send(b, "fifth", 1)
		length(b, 1, 1)
		ok(b, "fifth")
		a.text(`{"type":"closedConnection","connectionId":1}`)
		for _, id := range []string{"second", "third"} {
			a.saysText(`{"type":"error","message":"other:` + mixnet.ErrLaneClosed.Error() + `","id":"` + id + `"}`)
		}
		send(a, "sixth", 1) // a new connection with that id
		length(a, 1, 1)
		ok(a, "sixth")
		heard := make(map[string]bool)
		for range 4 {
			m, err := w.far.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			heard[string(m.Body)] = true
		}
		for _, s := range []string{"first", "fourth", "fifth", "sixth"} {
			if !heard[s] {
				t.Errorf("%s was not sent", s)
			}
		}
		time.Sleep(10 * time.Hour)
		if n := w.far.Waiting(); n != 0 {
			t.Errorf("%d messages more than wanted", n)
		}
	})
}

// A program has a bounded number of lanes, of which those that are empty do not count.
func TestLanesAreBounded(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{Latency: time.Hour}, func(t *testing.T, w *world) {
		p := w.connect()
		send := func(conn uint64) {
			p.binary(request{kind: sendRequest, to: w.far.Address(), conn: connID{conn, true}, message: []byte("x")})
		}
		for i := range uint64(maxLanes) {
			send(i + 1)
			p.saysBinary(queueLengthResponse)
		}
		send(maxLanes + 1)
		if r := p.saysBinary(errorResponse); r.failure.detail != errLanes.Error() {
			t.Errorf("got %v, want %v", r.failure, errLanes)
		}
		time.Sleep(3 * time.Hour) // all is acknowledged
		send(maxLanes + 1)
		p.saysBinary(queueLengthResponse)
	})
}

// What waits for a lane is bounded: beyond that, a program's requests are refused,
// and those of others are not.
func TestQueueIsBounded(t *testing.T) {
	inWorld(t, Config{}, mixnettest.Options{LaneSize: 1, Latency: time.Hour}, func(t *testing.T, w *world) {
		p, large := w.connect(), make([]byte, 4<<20)
		const n = maxQueued/(4<<20+requestCost) + 1 // the first is sent and waits no more
		for range n {
			p.binary(request{kind: sendRequest, to: w.far.Address(), message: large})
		}
		time.Sleep(2 * inOrder)
		p.binary(request{kind: addressRequest})
		p.saysBinary(addressResponse)
		began := time.Now()
		for range 3 { // too many
			p.binary(request{kind: sendRequest, to: w.far.Address(), message: large})
			p.saysBinary(errorResponse)
		}
		if took := time.Since(began); took != budgetPatience {
			t.Errorf("reading stopped for %v, want %v", took, budgetPatience)
		}
		other := w.connect()
		other.binary(request{kind: sendRequest, to: w.far.Address(), conn: connID{7, true}, message: large})
		other.saysBinary(queueLengthResponse)
		time.Sleep(time.Duration(n) * 2 * time.Hour) // half of it has left, and more
		p.binary(request{kind: sendRequest, to: w.far.Address(), conn: connID{7, true}, message: large})
		p.saysBinary(queueLengthResponse)
	})
}

// A program that hands over its messages and goes has them sent, in order.
func TestSendsOutliveTheConnection(t *testing.T) {
	inWorld(t, Config{MaxPeers: 1}, mixnettest.Options{LaneSize: 1, Latency: time.Hour}, func(t *testing.T, w *world) {
		p := w.connect()
		for i := range 3 {
			p.binary(request{kind: sendRequest, to: w.far.Address(), conn: connID{7, true}, message: fmt.Append(nil, i)})
		}
		p.ws.Close(websocket.StatusNormalClosure, "")
		synctest.Wait()
		if got := w.server.Stats(); got.Peers != 0 {
			t.Errorf("%d peers, want none", got.Peers)
		}
		for i := range 3 {
			w.hears(fmt.Sprint(i))
		}
		time.Sleep(3 * time.Hour)
		w.connect().saysNothing() // its seat is free again
	})
}
