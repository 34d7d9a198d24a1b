package localnet

import (
	"sync"
	"testing"
	"time"

	"nym-socks5/localnet/trace"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wire"
)

// Every packet of idle clients is seen on each link, decoded to its end, and
// has the structure of Nym's own (sphinx.md §3.12, §5.3, §5.10): cover to
// oneself over three mixes, with a SURB-ACK that comes home as a packet.
func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var records []trace.Record
	lost := 0
	spec := Spec{
		Trace: func(r trace.Record) {
			mu.Lock()
			defer mu.Unlock()
			records = append(records, r)
		},
		Filter: func(next mixnet.NodeAddr, f wire.Frame) bool { // one frame is lost
			mu.Lock()
			defer mu.Unlock()
			if len(records) == 50 {
				lost++
			}
			return len(records) != 50 || lost != 1
		},
	}
	inWorld(t, spec, func(w *world) { time.Sleep(10 * time.Second) })

	var s trace.Summary
	acks := 0
	for _, r := range records {
		s.Add(r)
		if r.Content == trace.Ack {
			acks++
		}
	}
	if s.Packets < 1000 || s.Partial < 1 || s.Partial > 100 {
		t.Errorf("%d packets, %d of them not whole: want a thousand and more, and but a few", s.Packets, s.Partial)
	}
	if acks < s.Packets*4/10 || acks > s.Packets*6/10 {
		t.Errorf("%d SURB-ACKs among %d packets, want about half", acks, s.Packets)
	}
	for field, values := range map[string][]string{
		"frame version":              {"8"},
		"packet type":                {"0"},
		"key rotation":               {"odd"},
		"size":                       {"regular", "ack"},
		"route":                      {"layer 1, layer 2, layer 3, gateway"},
		"sphinx versions":            {"259, 259, 259, 259"},
		"flags":                      {"forward, forward, forward, final"},
		"destination":                {"socks", "requester"},
		"identifier is zero":         {"true"},
		"content":                    {"message", "ack"},
		"plaintext":                  {"2048", "21"},
		"ack padded":                 {"true"},
		"ack to the same client":     {"true", "false"}, // cover; the question whether the requester lives
		"ack size":                   {"ack"},
		"ack route":                  {"layer 1, layer 2, layer 3, gateway"},
		"ack sphinx versions":        {"259, 259, 259, 259"},
		"ack flags":                  {"forward, forward, forward, final"},
		"ack destination":            {"socks", "requester"},
		"ack content":                {"ack"},
		"ack plaintext":              {"21"},
		"error":                      nil,
		"ack error":                  nil,
		"something that is no field": nil,
	} {
		got := s.Counts[field]
		for _, v := range values {
			if got[v] == 0 {
				t.Errorf("%s is never %q", field, v)
			}
		}
		if len(got) != len(values) {
			t.Errorf("%s: got %v, want %q", field, got, values)
		}
	}
	for _, r := range records {
		for i, l := range r.Layers[:max(0, r.Seen-1)] {
			if d := l.Waited - l.Delay; d < 0 || d > 100*time.Millisecond {
				t.Fatalf("layer %d passed a packet on %v after its delay: %v", i, d, r)
			}
		}
	}
}
