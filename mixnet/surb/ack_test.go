package surb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"nym-socks5/internal/routetest"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

func TestAckHome(t *testing.T) {
	nodes, route := routetest.New()
	self := keys.NewIdentityKey().Public()
	acks := NewAcks(keys.NewAck())
	var b sphinx.Builder
	for _, id := range []fragment.ID{{Set: 12345, Pos: 7}, {Set: fragment.MaxSet, Pos: 255}, {}} {
		job := sphinx.Job{Route: route, Dest: self}
		prefix := bytes.Repeat([]byte{0xaa}, mixnet.AckPrefixSize)
		if err := acks.Prepare(&job, id, prefix); err != nil {
			t.Fatal(err)
		}
		if err := b.Build([]sphinx.Job{job}); err != nil {
			t.Fatal(err)
		}
		first, packet, err := ParseAck(prefix)
		if err != nil || first != route[0].Addr || len(packet) != mixnet.AckSize.Total() {
			t.Fatalf("parses as %d bytes for %v, %v", len(packet), first, err)
		}
		p := routetest.Walk(t, nodes, first, packet)
		if p.Dest != self || p.ID != [16]byte{} || len(p.Message) != AckSize {
			t.Fatalf("came out as %d bytes for %v", len(p.Message), p.Dest)
		}
		if got, err := acks.Open(p.Message); err != nil || got != id {
			t.Errorf("opened %+v, %v, want %+v", got, err, id)
		}
	}
}

// Every SURB-ACK is a packet of its own: nothing of it shows again.
func TestAcksDiffer(t *testing.T) {
	_, route := routetest.New()
	acks := NewAcks(keys.NewAck())
	contents := make(map[string]bool)
	secrets := make(map[[32]byte]bool)
	for range 100 {
		job := sphinx.Job{Route: route}
		if err := acks.Prepare(&job, fragment.ID{Set: 1, Pos: 1}, make([]byte, mixnet.AckPrefixSize)); err != nil {
			t.Fatal(err)
		}
		contents[string(job.Message[:nonceSize])] = true
		secrets[job.Secret] = true
		if job.Padding == [sphinx.MaxPadding]byte{} {
			t.Fatal("the padding is not drawn")
		}
	}
	if len(contents) != 100 || len(secrets) != 100 {
		t.Errorf("100 SURB-ACKs with %d nonces and %d secrets", len(contents), len(secrets))
	}
}

func TestH11EveryBitOfAnAckCounts(t *testing.T) {
	acks := NewAcks(keys.NewAck())
	id := fragment.ID{Set: 12345, Pos: 3}
	content := sealed(t, acks, id)
	if got, err := acks.Open(content); err != nil || got != id {
		t.Fatalf("opened %+v, %v, want %+v", got, err, id)
	}
	for bit := range 8 * AckSize {
		content[bit/8] ^= 1 << (bit % 8)
		if got, err := acks.Open(content); !errors.Is(err, ErrMalformed) || got != (fragment.ID{}) {
			t.Errorf("bit %d changed: opened %+v, %v, want ErrMalformed", bit, got, err)
		}
		content[bit/8] ^= 1 << (bit % 8)
	}
	if got, err := NewAcks(keys.NewAck()).Open(content); !errors.Is(err, ErrMalformed) {
		t.Errorf("another key opened %+v, %v", got, err)
	}
	// sphinx.md §5.3: "exactly 21 bytes (fewer → refused ...)"
	for _, n := range []int{0, 5, ivSize, AckSize - 1} {
		if _, err := acks.Open(content[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v, want ErrMalformed", n, err)
		}
	}
	if _, err := acks.Open(append(content, 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a byte too many: %v, want ErrMalformed", err)
	}
}

// H11's formula, by the letter: IV = r ‖ HMAC-SHA-256(k', r ‖ id)[:8].
func TestH11MACInTheIV(t *testing.T) {
	acks := NewAcks(keys.AckFromBytes([16]byte(vectest.Unhex(t, "101112131415161718191a1b1c1d1e1f"))))
	var mac [8]byte
	acks.sum(mac[:], vectest.Unhex(t, "2021222324252627"), fragment.ID{Set: 12345, Pos: 1})
	if got, want := hex.EncodeToString(mac[:]), ackMAC; got != want {
		t.Errorf("MAC is %s, want %s", got, want)
	}
	content := sealed(t, acks, fragment.ID{Set: 12345, Pos: 1})
	acks.sum(mac[:], content[:8], fragment.ID{Set: 12345, Pos: 1})
	if !bytes.Equal(content[8:16], mac[:]) {
		t.Error("the second half of the IV is not the MAC")
	}
}

// ackMAC was computed with another implementation of HKDF and HMAC (Python's
// hmac module).
const ackMAC = "c4ff3ff1900b65e1"

// sealed is the content of a fresh SURB-ACK.
func sealed(t *testing.T, acks *Acks, id fragment.ID) []byte {
	t.Helper()
	_, route := routetest.New()
	job := sphinx.Job{Route: route}
	if err := acks.Prepare(&job, id, make([]byte, mixnet.AckPrefixSize)); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(job.Message)
}

func TestPrepareRefuses(t *testing.T) {
	_, route := routetest.New()
	acks := NewAcks(keys.NewAck())
	for _, c := range []struct {
		name   string
		route  []sphinx.Hop
		prefix int
	}{
		{"no route", nil, mixnet.AckPrefixSize},
		{"no first hop", []sphinx.Hop{{Key: route[0].Key}}, mixnet.AckPrefixSize},
		{"short prefix", route, mixnet.AckPrefixSize - 1},
		{"long prefix", route, mixnet.AckPrefixSize + 1},
	} {
		if err := acks.Prepare(&sphinx.Job{Route: c.route}, fragment.ID{}, make([]byte, c.prefix)); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

// sphinx.md §10 D
func TestAckContentOfTheSpec(t *testing.T) {
	acks := NewAcks(keys.AckFromBytes([16]byte(vectest.Unhex(t, "101112131415161718191a1b1c1d1e1f"))))
	iv := [ivSize]byte(vectest.Unhex(t, "202122232425262728292a2b2c2d2e2f"))
	got := make([]byte, AckSize)
	acks.seal(got, &iv, fragment.ID{Set: 12345, Pos: 1})
	if want := "202122232425262728292a2b2c2d2e2fd31de54763"; hex.EncodeToString(got) != want {
		t.Errorf("content is %x, want %s", got, want)
	}
}

func TestVectorsAcks(t *testing.T) {
	v, nodes := readVectors(t)
	acks := NewAcks(keys.AckFromBytes([16]byte(vectest.Unhex(t, v.Client.AckKey))))
	self := keys.Identity(vectest.Unhex(t, v.Client.Identity))
	rebuilt := 0
	for i, c := range v.Acks {
		id := fragment.ID{Set: c.Set, Pos: c.Pos}
		prefix := vectest.Unhex(t, c.Bytes)
		first, packet, err := ParseAck(bytes.Clone(prefix))
		if err != nil || first.String() != c.FirstHop {
			t.Fatalf("ack %d: for %v, %v, want %s", i, first, err, c.FirstHop)
		}
		p := routetest.Walk(t, nodes, first, packet)
		if p.Dest != self || hex.EncodeToString(p.Message) != c.Content {
			t.Errorf("ack %d: came out as %x for %v", i, p.Message, p.Dest)
		}
		if got, err := acks.open(p.Message); err != nil || got != id {
			t.Errorf("ack %d: opened %+v, %v, want %+v", i, got, err, id)
		}
		if _, err := acks.Open(p.Message); !errors.Is(err, ErrMalformed) {
			t.Errorf("ack %d: accepted without our MAC", i)
		}
		if !c.Reproducible {
			continue
		}
		job := sphinx.Job{Version: sphinx.Version259, Dest: self, Secret: [32]byte(vectest.Unhex(t, c.Secret))}
		copy(job.Padding[:], vectest.Unhex(t, c.Padding))
		for h, n := range c.Route {
			job.Route = append(job.Route, nodes[n-1].Hop(time.Duration(c.DelaysNs[h])))
		}
		got, iv := make([]byte, mixnet.AckPrefixSize), [ivSize]byte(vectest.Unhex(t, c.IV))
		if err := acks.prepare(&job, id, got, &iv); err != nil {
			t.Fatal(err)
		}
		var b sphinx.Builder
		if err := b.Build([]sphinx.Job{job}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, prefix) {
			t.Errorf("ack %d: built %x, want %x", i, got, prefix)
		}
		rebuilt++
	}
	if rebuilt == 0 {
		t.Error("no ack was rebuilt")
	}
}

func TestVectorsOpening(t *testing.T) {
	v, _ := readVectors(t)
	acks := NewAcks(keys.AckFromBytes([16]byte(vectest.Unhex(t, v.Client.AckKey))))
	for _, c := range v.Opening {
		id, err := acks.open(vectest.Unhex(t, c.Content))
		if (err == nil) != (c.Identifier != nil) {
			t.Errorf("%q: %v", c.Content, err)
			continue
		}
		if b := encode(id); err == nil && hex.EncodeToString(b[:]) != *c.Identifier {
			t.Errorf("%q: opened %x, want %s", c.Content, b, *c.Identifier)
		}
	}
}

func TestVectorsEgress(t *testing.T) {
	v, _ := readVectors(t)
	for _, c := range v.Egress {
		first, packet, err := ParseAck(vectest.Unhex(t, c.Bytes))
		if (err == nil) != c.Expect.Accept || (err != nil && !errors.Is(err, ErrMalformed)) {
			t.Errorf("%s: %v, want accepted %v", c.Name, err, c.Expect.Accept)
			continue
		}
		if err == nil && (first.String() != c.Expect.FirstHop || len(packet) != c.Expect.Length) {
			t.Errorf("%s: %d bytes for %v, want %d for %s", c.Name, len(packet), first, c.Expect.Length, c.Expect.FirstHop)
		}
	}
}

func TestParseAckLength(t *testing.T) {
	v, _ := readVectors(t)
	b := vectest.Unhex(t, v.Acks[0].Bytes)
	for _, b := range [][]byte{nil, b[:len(b)-1], append(b, 0)} {
		if _, _, err := ParseAck(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v, want ErrMalformed", len(b), err)
		}
	}
}

func TestPrepareCostsLittle(t *testing.T) {
	_, route := routetest.New()
	acks := NewAcks(keys.NewAck())
	var job sphinx.Job
	prefix := make([]byte, mixnet.AckPrefixSize)
	n := testing.AllocsPerRun(100, func() {
		job.Route = route
		if err := acks.Prepare(&job, fragment.ID{Set: 1, Pos: 1}, prefix); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("preparing takes %v allocations", n)
	}
}

func FuzzParseAck(f *testing.F) {
	b := make([]byte, mixnet.AckPrefixSize)
	copy(b, []byte{4, 6, 253, 203, 0, 113, 11})
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		first, packet, err := ParseAck(in)
		if err != nil {
			return
		}
		var out [mixnet.AckAddrPadded]byte
		if err := first.PutPadded(out[:]); err != nil {
			t.Fatal(err)
		}
		n := mixnet.NodeAddr4Size
		if in[0] == 6 {
			n = mixnet.NodeAddr6Size
		}
		if !bytes.Equal(out[:n], in[:n]) || !bytes.Equal(packet, in[mixnet.AckAddrPadded:]) {
			t.Fatalf("%x parses as %v and %x", in, first, packet)
		}
	})
}

func FuzzOpenAck(f *testing.F) {
	f.Add(make([]byte, AckSize))
	acks := NewAcks(keys.AckFromBytes([16]byte{1}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if id, err := acks.Open(in); err == nil {
			t.Fatalf("%x opens as %+v", in, id)
		}
	})
}
