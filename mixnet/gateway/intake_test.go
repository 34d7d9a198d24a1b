package gateway

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wire"
)

// passed is what an intake let go.
type passed struct {
	mu      sync.Mutex
	packets []wire.MixPacket
	bytes   map[byte]int // by the first byte
	modest  int          // packets that the test sent itself
}

func (p *passed) forward(x wire.MixPacket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.packets = append(p.packets, wire.MixPacket{Packet: append([]byte(nil), x.Packet[:5]...)})
	p.bytes[x.Packet[0]] += len(x.Packet)
}

func (p *passed) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.packets)
}

func (p *passed) bytesOf(who byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes[who]
}

// withIntake runs an intake and senders that never stop by themselves.
func withIntake(t *testing.T, rate int, test func(t *testing.T, out *passed, in *intake, greedy func(who byte, size mixnet.PacketSize))) {
	synctest.Test(t, func(t *testing.T) {
		out := &passed{bytes: make(map[byte]int)}
		in := newIntake(rate, out.forward)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { in.run(ctx) })
		var sent atomic.Int64
		test(t, out, in, func(who byte, size mixnet.PacketSize) {
			wg.Go(func() {
				var q clientQueue
				b := make([]byte, size.Total())                          // a read buffer, used again and again
				for i := uint32(0); ctx.Err() == nil && i < 1<<17; i++ { // ends if nothing holds it
					b[0] = who
					binary.BigEndian.PutUint32(b[1:], i)
					in.pass(&q, wire.MixPacket{Packet: b})
					sent.Add(1)
				}
			})
		})
		stop()
		wg.Wait()
		// hardening.md H15: "it stops reading, never drops".
		if got := out.count() - out.modest; got != int(sent.Load()) {
			t.Errorf("%d packets of %d were passed on", got, sent.Load())
		}
		next := make(map[byte]uint32)
		for _, p := range out.packets {
			if i := binary.BigEndian.Uint32(p.Packet[1:]); i != next[p.Packet[0]] {
				t.Fatalf("of session %d packet %d came, want %d", p.Packet[0], i, next[p.Packet[0]])
			}
			next[p.Packet[0]]++
		}
	})
}

// hardening.md H15: "above a budget […] it stops reading, never drops".
func TestH15BudgetOfClients(t *testing.T) {
	withIntake(t, 1000, func(t *testing.T, out *passed, in *intake, greedy func(byte, mixnet.PacketSize)) {
		greedy(1, mixnet.Regular)
		time.Sleep(10 * time.Second)
		if got := out.count(); got < 9_900 || got > 10_100 {
			t.Errorf("%d packets went in ten seconds, want 10 000", got)
		}
	})
}

// Below the budget nothing waits, and nothing is copied.
func TestIntakeBelowTheBudget(t *testing.T) {
	withIntake(t, 16_000, func(t *testing.T, out *passed, in *intake, _ func(byte, mixnet.PacketSize)) {
		var q clientQueue
		b := make([]byte, mixnet.Regular.Total())
		var worst time.Duration
		for range 1000 {
			began := time.Now()
			in.pass(&q, wire.MixPacket{Packet: b})
			worst = max(worst, time.Since(began))
			time.Sleep(100 * time.Microsecond)
		}
		if worst > 0 || in.held.Load() > 0 {
			t.Errorf("%d packets waited, one for %v", in.held.Load(), worst)
		}
		out.packets = nil // they are not numbered
	})
}

// hardening.md H15: "serves sessions in turn by bytes under contention":
// whatever the size of its packets, a session that sends without end takes as
// much as the others, and one that sends little waits for nobody.
func TestH15SessionsTakeTurnsByBytes(t *testing.T) {
	withIntake(t, 4000, func(t *testing.T, out *passed, in *intake, greedy func(byte, mixnet.PacketSize)) {
		sizes := []mixnet.PacketSize{mixnet.AckSize, mixnet.Regular, mixnet.Extended8, mixnet.Extended32}
		for i, size := range sizes {
			greedy(byte(i), size)
		}
		time.Sleep(time.Second) // the budget that was left of the time before is used up
		var before [4]int
		for i := range before {
			before[i] = out.bytesOf(byte(i))
		}
		const modest = 9
		var q clientQueue
		b := make([]byte, mixnet.Regular.Total())
		b[0] = modest
		var worst time.Duration
		for i := range uint32(200) {
			binary.BigEndian.PutUint32(b[1:], i)
			had := out.bytesOf(modest)
			began := time.Now()
			in.pass(&q, wire.MixPacket{Packet: b})
			out.modest++
			for out.bytesOf(modest) == had {
				time.Sleep(100 * time.Microsecond)
			}
			worst = max(worst, time.Since(began))
			time.Sleep(100 * time.Millisecond)
		}
		if worst > 50*time.Millisecond {
			t.Errorf("a packet of a modest session waited for %v", worst)
		}
		total := 0
		for i := range sizes {
			total += out.bytesOf(byte(i)) - before[i]
		}
		for i, size := range sizes {
			if share := float64(out.bytesOf(byte(i))-before[i]) / float64(total); share < 0.24 || share > 0.26 {
				t.Errorf("the session with packets of %v got %.3f of the bytes, want 0.25", size, share)
			}
		}
	})
}
