package localnet

import (
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet/client"
)

// figures has the tests run that measure what docs/benchmarks-virtual.md quotes: a
// minute each, and what they hold holds for medians of random waits only.
var figures = flag.Bool("figures", false, "measure waits and rates at Nym's pace (make virtual)")

// onlyFigures skips what is a measurement, unless that is asked for.
func onlyFigures(t *testing.T) {
	t.Helper()
	if !*figures {
		t.Skip("it measures; make virtual runs it")
	}
}

// slotRuns is how often each wait is taken. Then its median is off by 6 ms in one of
// six tests.
const (
	slotRuns    = 200
	slotsBeyond = 36 * time.Millisecond
)

// A floor is the least that so many ways through the network take at Nym's pace:
// each begins with a wait for a tick of its sender, and has three delays.
type floor []time.Duration // the mean intervals of the senders, in turn

// median draws it.
func (f floor) median() time.Duration {
	draw := func(mean time.Duration) time.Duration { return time.Duration(rand.ExpFloat64() * float64(mean)) }
	sums := make([]time.Duration, 50_001)
	for i := range sums {
		for _, every := range f {
			sums[i] += draw(every)
			for range 3 {
				sums[i] += draw(client.DefaultHopDelay)
			}
		}
	}
	return median(sums)
}

func median(v []time.Duration) time.Duration {
	slices.Sort(v)
	return v[len(v)/2]
}

// What a user waits for at Nym's pace is slots and delays, and hardly anything else.
func TestStreamsWaitForSlotsOnly(t *testing.T) {
	onlyFigures(t)
	inWorld(t, Spec{}, func(w *world) {
		w.serve(7, echo)
		w.serve(80, func(c net.Conn) { c.Write([]byte{1}); io.Copy(io.Discard, c) })
		var echoes, answers, greetings []time.Duration
		c := w.mustDial(7)
		for range slotRuns {
			time.Sleep(time.Duration(rand.Int64N(int64(30 * time.Millisecond))))
			began := time.Now()
			c.Write([]byte{1})
			w.readByte(c)
			echoes = append(echoes, time.Since(began))
		}
		for range slotRuns {
			time.Sleep(time.Duration(rand.Int64N(int64(30 * time.Millisecond))))
			began := time.Now()
			c := w.mustDial(7)
			c.Write([]byte{1})
			w.readByte(c)
			answers = append(answers, time.Since(began))
			c.Close()
		}
		for range slotRuns {
			time.Sleep(time.Duration(rand.Int64N(int64(30 * time.Millisecond))))
			began := time.Now()
			c := w.mustDial(80)
			w.readByte(c)
			greetings = append(greetings, time.Since(began))
			c.Close()
		}
		const slot, fast = client.DefaultSendEvery, client.DefaultSendEvery / 4 // of the requester, with a stream open (H33)
		for _, m := range []struct {
			what  string
			took  []time.Duration
			least floor
		}{
			{"echo", echoes, floor{slot, fast}},
			{"first byte of a target that answers", answers, floor{slot, fast, slot, fast}},
			{"first byte of a target that speaks first", greetings, floor{slot, fast}},
		} {
			got, least := median(m.took), m.least.median()
			t.Logf("%s: p50 %v, slots and delays %v", m.what, got, least)
			if beyond := got - least; beyond > slotsBeyond {
				t.Errorf("%s: %v beyond slots and delays, want at most %v", m.what, beyond, slotsBeyond)
			}
		}
	})
}

// readByte waits for one byte.
func (w *world) readByte(c net.Conn) {
	w.t.Helper()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		w.t.Fatal(err)
	}
}

// What a page takes at most: its objects fill 210 packets.
const (
	pageTakes   = 4 * time.Second
	pagePackets = 400
)

// A page of thirty objects over six connections.
func TestStreamsOfAPage(t *testing.T) {
	inWorld(t, Spec{}, func(w *world) {
		w.serve(80, func(c net.Conn) {
			for ask := make([]byte, 400); ; {
				if _, err := io.ReadFull(c, ask); err != nil {
					return
				}
				c.Write(make([]byte, 10_000))
			}
		})
		front, back := w.front.Messenger().(*client.Client), w.back.Messenger().(*client.Client)
		for range 2 {
			before := [2]client.Stats{front.Stats(), back.Stats()}
			began := time.Now()
			var mu sync.Mutex
			left := 30
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					c := w.mustDial(80)
					defer c.Close()
					for {
						mu.Lock()
						left--
						done := left < 0
						mu.Unlock()
						if done {
							return
						}
						c.Write(make([]byte, 400))
						if _, err := io.ReadFull(c, make([]byte, 10_000)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			took := time.Since(began)
			time.Sleep(time.Second)
			after := [2]client.Stats{front.Stats(), back.Stats()}
			up, down := after[0].SentData-before[0].SentData, after[1].SentData-before[1].SentData
			t.Logf("%v, packets with data up %d, down %d", took, up, down)
			if took > pageTakes || up+down > pagePackets {
				t.Errorf("%v and %d packets, want at most %v and %d", took, up+down, pageTakes, pagePackets)
			}
		}
	})
}
