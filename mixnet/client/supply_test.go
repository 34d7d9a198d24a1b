package client

import (
	"testing"
	"time"
)

// at gives the moment s seconds after t0.
func at(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }

func (s *supply) burstOf(now time.Time, packets int) {
	for range packets {
		s.arrived(now)
	}
}

// socks.md §21.5: "aim for a stock at the NR of about twice the number of packets
// that arrive per round trip, within limits"
func TestSupply(t *testing.T) {
	var s supply
	for range 20 {
		s.measured(500 * time.Millisecond)
	}
	s.attached(at(0), startSURBs)
	if got := s.want(at(0)); got != 0 {
		t.Errorf("before the first answer: %d, want none", got)
	}
	for i := range 40 { // 100 packets per round trip
		s.burstOf(at(float64(i)*0.1), 20)
	}
	if got := s.want(at(4)); got < 200 || got > 220 {
		t.Errorf("at 100 packets per round trip: %d, want about 210", got)
	}
	for i := range 40 {
		s.burstOf(at(4+float64(i)*0.1), 200)
	}
	if got := s.want(at(8)); got != maxSupply {
		t.Errorf("at 1000 packets per round trip: %d, want the limit, %d", got, maxSupply)
	}
	if got := s.want(at(20)); got != maxIdleSupply {
		t.Errorf("soon after: %d, want %d for the next burst", got, maxIdleSupply)
	}
	if got := s.want(at(8 + 5*60)); got != startSURBs {
		t.Errorf("after minutes of quiet: %d, want %d", got, startSURBs)
	}
	if got := s.want(at(8).Add(conversationIdle)); got != 0 {
		t.Errorf("when the conversation is over: %d, want none", got)
	}
}

// Where replies are held up for want of SURBs, the supply doubles each round trip.
func TestSupplyGrows(t *testing.T) {
	s := supply{rtt: time.Second}
	now, there := at(0), startSURBs
	for range 8 {
		s.burstOf(now, there-reserve) // all it may spend
		now = now.Add(time.Second)
		there = s.want(now)
	}
	if there != maxSupply {
		t.Errorf("%d after eight round trips, want %d", there, maxSupply)
	}
}
