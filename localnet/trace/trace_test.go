package trace

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// A lab is five nodes, a Tracer that knows them, and what it reported.
type lab struct {
	*Tracer
	t     *testing.T
	nodes []Node // of layers 1 to 3, and two gateways
	got   []Record
	now   time.Time
}

func newLab(t *testing.T) *lab {
	l := &lab{t: t, now: time.Unix(1_800_000_000, 0)}
	for i, name := range []string{"mix-1", "mix-2", "mix-3", "gateway-1", "gateway-2"} {
		l.nodes = append(l.nodes, Node{
			Name: name, Role: min(topology.Role(i+1), topology.RoleGateway),
			Addr: mixnet.NodeAddrFrom(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 1789)),
			Key:  keys.NewSphinxKey(),
		})
	}
	l.Tracer = New(l.nodes, func(r Record) { l.got = append(l.got, r) })
	return l
}

// route gives hops with delays of 1, 2, 3, … of unit.
func (l *lab) route(unit time.Duration, nodes ...int) (hops []sphinx.Hop) {
	for i, n := range nodes {
		hops = append(hops, sphinx.Hop{Addr: l.nodes[n].Addr, Key: l.nodes[n].Key.Public(), Delay: time.Duration(i+1) * unit})
	}
	return hops
}

func (l *lab) build(job sphinx.Job, size mixnet.PacketSize) []byte {
	l.t.Helper()
	job.Packet = make([]byte, size.Total())
	rand.Read(job.Secret[:])
	rand.Read(job.Padding[:])
	var b sphinx.Builder
	if err := b.Build([]sphinx.Job{job}); err != nil {
		l.t.Fatal(err)
	}
	return job.Packet
}

// message is a packet from gateway-1 to someone at gateway-2, with a SURB-ACK of
// that version for sender.
func (l *lab) message(sender, to keys.Identity, version sphinx.Version) []byte {
	plain := make([]byte, mixnet.Regular.Plaintext())
	if err := l.nodes[0].Addr.PutPadded(plain[:mixnet.AckAddrPadded]); err != nil {
		l.t.Fatal(err)
	}
	ack := l.build(sphinx.Job{
		Version: version, Route: l.route(10*time.Millisecond, 0, 1, 2, 3), Dest: sender, Message: make([]byte, mixnet.AckPlaintext),
	}, mixnet.AckSize)
	copy(plain[mixnet.AckAddrPadded:], ack)
	return l.build(sphinx.Job{Route: l.route(time.Millisecond, 0, 1, 2, 4), Dest: to, Message: plain}, mixnet.Regular)
}

// see shows the tracer a frame, and gives the packet as the next node passes it on.
func (l *lab) see(from, next int, packet []byte) []byte {
	l.t.Helper()
	before := string(packet)
	l.See(l.now, l.nodes[from].Name, l.nodes[next].Addr, wire.V8, wire.Frame{Rotation: mixnet.RotationOdd, Packet: packet})
	if string(packet) != before {
		l.t.Error("the tracer changed a packet")
	}
	var ws sphinx.Workspace
	p := []sphinx.Packet{{Data: []byte(before), Keys: [2]*keys.SphinxKey{l.nodes[next].Key}}}
	ws.Open(p)
	ws.Strip(p)
	return p[0].Data
}

func (l *lab) wait(d time.Duration) { l.now = l.now.Add(d) }

func identity(b byte) (id keys.Identity) { id[0] = b; return id }

// A message is decoded to its end, with its SURB-ACK, and followed over all links.
func TestFollowMessage(t *testing.T) {
	l := newLab(t)
	alice, bob := identity(1), identity(2)
	l.Name(alice, "alice")
	l.Name(bob, "bob")
	start := l.now
	p := l.see(3, 0, l.message(alice, bob, sphinx.Version258))
	for i, next := range []int{1, 2, 4} {
		if len(l.got) > 0 {
			t.Fatalf("reported on link %d", i)
		}
		l.wait(time.Duration(i+1) * time.Second)
		p = l.see(i, next, p)
	}
	if len(l.got) != 1 {
		t.Fatalf("%d records, want 1", len(l.got))
	}
	r := l.got[0]
	layer := func(n int, v sphinx.Version, delay, waited time.Duration) Layer {
		return Layer{Node: l.nodes[n].Name, Role: l.nodes[n].Role, Version: v, Final: n > 2, Delay: delay, Waited: waited}
	}
	want := Record{
		Time: start, From: "gateway-1", Frame: wire.V8, Rotation: mixnet.RotationOdd, Seen: 4,
		Packet: Packet{
			Size: mixnet.Regular, Dest: "bob", ZeroID: true, Content: Message, Plaintext: 2048, AckPadded: true, dest: bob,
			Layers: []Layer{
				layer(0, 259, time.Millisecond, time.Second),
				layer(1, 259, 2*time.Millisecond, 2*time.Second),
				layer(2, 259, 3*time.Millisecond, 3*time.Second),
				layer(4, 259, 0, 0),
			},
			Ack: &Packet{
				Size: mixnet.AckSize, Dest: "alice", ZeroID: true, Content: Ack, Plaintext: 21, dest: alice,
				Layers: []Layer{
					layer(0, 258, 10*time.Millisecond, 0),
					layer(1, 258, 20*time.Millisecond, 0),
					layer(2, 258, 30*time.Millisecond, 0),
					layer(3, 258, 0, 0),
				},
			},
		},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %v\nwant %v\ngot  %+v\nwant %+v", r, want, r, want)
	}
	if !r.Whole() || r.Loop() {
		t.Errorf("whole %v, loop %v, want true, false", r.Whole(), r.Loop())
	}
	text := r.String()
	for _, part := range []string{
		"v8 regular odd  gateway-1 > mix-1/259 1ms > mix-2/259 2ms > mix-3/259 3ms > gateway-2/259 > bob: message, 2048 bytes",
		"SURB-ACK > mix-1/258 10ms >", "> gateway-1/258 > alice: ack, 21 bytes",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}

// Nothing in a record is an address: neither of nodes nor of clients.
func TestNoAddresses(t *testing.T) {
	l := newLab(t)
	to := keys.NewIdentityKey().Public()
	l.see(3, 0, l.message(to, to, sphinx.Version259))
	l.see(3, 4, l.build(sphinx.Job{Route: l.route(0, 4), Dest: to}, mixnet.AckSize))
	l.Flush()
	for _, r := range l.got {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b) + fmt.Sprint(r, r.Fields())
		for _, never := range []string{to.String(), fmt.Sprintf("%x", to[:]), "10.0.0.", "1789"} {
			if strings.Contains(text, never) {
				t.Errorf("%q is in %s", never, text)
			}
		}
		if r.Dest != Unknown {
			t.Errorf("%v goes to %q, want %q", r, r.Dest, Unknown)
		}
	}
}

// What is lost is reported after a while, what is under way at the end.
func TestLost(t *testing.T) {
	l := newLab(t)
	p := l.see(3, 0, l.message(identity(1), identity(1), sphinx.Version259))
	l.wait(patience - time.Second)
	l.see(0, 1, p)
	l.wait(patience)
	l.see(3, 0, l.message(identity(1), identity(1), sphinx.Version259))
	if len(l.got) != 0 {
		t.Fatal("given up too early")
	}
	l.wait(2 * time.Second)
	l.see(3, 4, l.build(sphinx.Job{Route: l.route(0, 4), Message: make([]byte, 21)}, mixnet.AckSize))
	if len(l.got) != 2 || l.got[0].Seen != 2 || l.got[0].Whole() || !l.got[1].Whole() {
		t.Fatalf("got %v, want a packet seen twice, and one seen on its only link", l.got)
	}
	l.Flush()
	if len(l.got) != 3 || l.got[2].Seen != 1 || !l.got[2].Loop() {
		t.Fatalf("got %v, want one more, seen once", l.got)
	}
	l.Flush()
	if len(l.got) != 3 {
		t.Error("reported again")
	}
}

// Whatever nodes send each other is recorded, as far as it can be read.
func TestDamaged(t *testing.T) {
	l := newLab(t)
	whole := func() []byte { return l.message(identity(1), identity(2), sphinx.Version259) }
	flip := func(p []byte, at int) []byte { p[at] ^= 1; return p }
	for _, tc := range []struct {
		name   string
		packet []byte
		next   int
		layers int
		want   string // part of the error or, if it begins with "=", the content
	}{
		{"header", flip(whole(), 100), 0, 0, "mix-1: sphinx: header MAC"},
		{"point", flip(whole(), 3), 0, 0, "mix-1: sphinx: header MAC"},
		{"payload", flip(whole(), 1000), 0, 3, "gateway-2: sphinx: payload is damaged"},
		{"other node", whole(), 1, 0, "mix-2: sphinx: header MAC"},
		{"no ack prefix", l.build(sphinx.Job{Route: l.route(0, 4), Message: make([]byte, 404)}, mixnet.Regular), 4, 1, "=garbled"},
		{"no address of an ack", l.build(sphinx.Job{Route: l.route(0, 4), Message: make([]byte, 2048)}, mixnet.Regular), 4, 1, "=garbled"},
		{"ack of 20 bytes", l.build(sphinx.Job{Route: l.route(0, 4), Message: make([]byte, 20)}, mixnet.AckSize), 4, 1, "=garbled"},
		{"empty", nil, 4, -1, ""},
	} {
		l.got = nil
		f := wire.Frame{Packet: tc.packet}
		l.See(l.now, "gateway-1", l.nodes[tc.next].Addr, wire.V7, f)
		l.Flush()
		if tc.layers < 0 {
			if len(l.got) != 0 {
				t.Errorf("%s: %v, want nothing", tc.name, l.got)
			}
			continue
		}
		if len(l.got) != 1 {
			t.Errorf("%s: %d records, want 1", tc.name, len(l.got))
			continue
		}
		r := l.got[0]
		got := r.Error
		if r.Error == "" {
			got = "=" + string(r.Content)
		}
		if len(r.Layers) != tc.layers || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %d layers and %q, want %d and %q", tc.name, len(r.Layers), got, tc.layers, tc.want)
		}
		if r.String() == "" || len(r.Fields()) == 0 {
			t.Errorf("%s: says nothing", tc.name)
		}
	}

	l.got = nil
	stranger := mixnet.NodeAddrFrom(netip.MustParseAddrPort("192.0.2.1:1789"))
	l.See(l.now, "gateway-1", stranger, wire.V8, wire.Frame{Packet: whole()})
	if len(l.got) != 1 || !strings.Contains(l.got[0].Error, "no node") || l.got[0].Whole() {
		t.Errorf("to a stranger: %v", l.got)
	}
}

func TestSummary(t *testing.T) {
	l := newLab(t)
	for range 3 {
		p := l.see(3, 0, l.message(identity(1), identity(2), sphinx.Version259))
		for i, next := range []int{1, 2, 4} {
			l.wait(time.Duration(i+1) * 20 * time.Millisecond)
			p = l.see(i, next, p)
		}
	}
	l.see(3, 0, l.message(identity(1), identity(1), sphinx.Version258))
	l.Flush()
	var s Summary
	for _, r := range l.got {
		s.Add(r)
	}
	if s.Packets != 4 || s.Partial != 1 {
		t.Errorf("%d packets, %d partial, want 4 and 1", s.Packets, s.Partial)
	}
	for _, c := range []struct {
		field, value string
		want         int
	}{
		{"frame version", "8", 4},
		{"sphinx versions", "259, 259, 259, 259", 4},
		{"ack sphinx versions", "259, 259, 259, 259", 3},
		{"ack sphinx versions", "258, 258, 258, 258", 1},
		{"route", "layer 1, layer 2, layer 3, gateway", 4},
		{"flags", "forward, forward, forward, final", 4},
		{"ack to the same client", "false", 3},
		{"destination", Unknown, 4},
	} {
		if got := s.Counts[c.field][c.value]; got != c.want {
			t.Errorf("%s %q: %d, want %d", c.field, c.value, got, c.want)
		}
	}
	var out strings.Builder
	s.Print(&out)
	for _, line := range []string{
		"4 packets, of them 1 not followed to their exit\n",
		"  ack sphinx versions            3  259, 259, 259, 259\n                                 1  258, 258, 258, 258\n",
		"asked for                     1.00 ms      2.00 ms      3.00 ms\n",
		"until seen behind it         20.00 ms     40.00 ms     60.00 ms\n",
		"asked for in SURB-ACKs       10.00 ms     20.00 ms     30.00 ms\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in:\n%s", line, out.String())
		}
	}
}
