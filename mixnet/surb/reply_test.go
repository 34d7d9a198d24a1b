package surb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"nym-socks5/internal/routetest"
	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// sphinx.md §10 D
func TestDigestOfTheSpec(t *testing.T) {
	k := keys.Reply(vectest.Unhex(t, "000102030405060708090a0b0c0d0e0f"))
	if got, want := DigestOf(k), "a6a492965517a830cb75fdb713465aa465f2f098233896fea44c1d98268bf9e3"; hex.EncodeToString(got[:]) != want {
		t.Errorf("digest is %x, want %s", got, want)
	}
}

// hardening.md H09: "Padding of the innermost header block is random". Only the last
// hop sees it, so it is looked at where it is drawn; that it is used as drawn hold
// the vectors.
func TestH09PaddingOfReplySURBs(t *testing.T) {
	var counts [256]int
	const n = 1000
	for range n {
		var d mintDraw
		d.draw()
		for _, b := range d.padding {
			counts[b]++
		}
	}
	chi, expected := 0.0, float64(n*len(mintDraw{}.padding))/256
	for _, c := range counts {
		chi += (float64(c) - expected) * (float64(c) - expected) / expected
	}
	if limit := 255 + 8*math.Sqrt(2*255); chi > limit { // beyond 8σ
		t.Errorf("χ² = %.0f, want under %.0f", chi, limit)
	}
}

func TestMint(t *testing.T) {
	nodes, route := routetest.New()
	self := keys.NewIdentityKey().Public()
	var b sphinx.Builder
	for _, c := range []struct {
		version sphinx.Version
		hops    int
		size    int
	}{
		// sphinx.md §5.7: "4 hops → 460 bytes each; 1 hop → 412"
		{sphinx.Version259, 4, 460},
		{sphinx.Version259, 1, 412},
		{sphinx.Version258, 4, 1164},
	} {
		if got := ReplySize(c.version, c.hops); got != c.size {
			t.Errorf("size of version %v over %d hops is %d, want %d", c.version, c.hops, got, c.size)
		}
		routes := make([][]sphinx.Hop, 11) // more than a batch
		for i := range routes {
			routes[i] = route[4-c.hops:]
		}
		replies, err := Mint(&b, c.version, mixnet.RotationOdd, self, routes)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[Digest]bool)
		for _, r := range replies {
			seen[DigestOf(r.Key)] = true
			if r.SURB.First() != route[4-c.hops].Addr || r.SURB.Hops() != c.hops || r.Rotation != mixnet.RotationOdd {
				t.Fatalf("first hop %v, %d hops, rotation %v", r.SURB.First(), r.SURB.Hops(), r.Rotation)
			}
			enc, err := r.AppendBinary(nil)
			if err != nil || len(enc) != c.size {
				t.Fatalf("encodes in %d bytes, %v, want %d", len(enc), err, c.size)
			}
			back, err := ParseReply(enc, r.Rotation)
			if err != nil || back.Key != r.Key {
				t.Fatalf("parses back with %v", err)
			}
			packet := make([]byte, mixnet.Regular.Total())
			if err := b.Seal(&back.SURB, []byte("an answer"), packet); err != nil {
				t.Fatal(err)
			}
			if p := routetest.Walk(t, nodes, back.SURB.First(), packet); p.Dest != self || !bytes.HasPrefix(p.Message, []byte("an answer")) {
				t.Fatalf("the answer came out as %q for %v", p.Message[:9], p.Dest)
			}
		}
		if len(replies) != len(routes) || len(seen) != len(routes) {
			t.Errorf("%d replies with %d keys, want %d", len(replies), len(seen), len(routes))
		}
	}
	if _, err := Mint(&b, sphinx.Version259, 0, self, [][]sphinx.Hop{nil}); err == nil {
		t.Error("minted over no hop")
	}
	if got, err := Mint(&b, sphinx.Version259, 0, self, nil); err != nil || len(got) != 0 {
		t.Errorf("no routes: %d replies, %v", len(got), err)
	}
}

// The same draws give the same bytes, in whatever batch they are built.
func TestMintIsOrderly(t *testing.T) {
	_, route := routetest.New()
	routes := make([][]sphinx.Hop, 10)
	drawn := make([]mintDraw, len(routes))
	for i := range routes {
		routes[i] = route
		drawn[i].secret[0], drawn[i].key[0] = byte(i), byte(i)
	}
	var b sphinx.Builder
	all, err := mint(&b, sphinx.Version259, 0, keys.Identity{}, routes, drawn)
	if err != nil {
		t.Fatal(err)
	}
	for i := range routes {
		one, err := mint(&b, sphinx.Version259, 0, keys.Identity{}, routes[i:i+1], drawn[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		x, _ := all[i].AppendBinary(nil)
		y, _ := one[0].AppendBinary(nil)
		if !bytes.Equal(x, y) {
			t.Errorf("SURB %d differs when made alone", i)
		}
	}
}

func TestParseReplyRefuses(t *testing.T) {
	_, route := routetest.New()
	var b sphinx.Builder
	replies, err := Mint(&b, sphinx.Version259, 0, keys.Identity{}, [][]sphinx.Hop{route})
	if err != nil {
		t.Fatal(err)
	}
	good, _ := replies[0].AppendBinary(nil)
	bad := bytes.Clone(good)
	bad[16+348] = 5 // form of the first hop
	for name, in := range map[string][]byte{
		"empty":               nil,
		"half a key":          good[:8],
		"key only":            good[:16],
		"no seed":             good[:16+380],
		"half a seed":         good[:len(good)-8],
		"a byte too many":     append(bytes.Clone(good), 0),
		"six seeds":           append(bytes.Clone(good), make([]byte, 32)...),
		"first hop of form 5": bad,
	} {
		if _, err := ParseReply(in, 0); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	b := make([]byte, ReplySize(sphinx.Version259, 4))
	copy(b[16+348:], []byte{4, 6, 253, 203, 0, 113, 11})
	f.Add(b)
	f.Add(append(b, make([]byte, ReplySize(sphinx.Version258, 4)-len(b))...))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := ParseReply(in, mixnet.RotationEven)
		if err != nil {
			return
		}
		if out, _ := r.AppendBinary(nil); !bytes.Equal(in, out) {
			t.Fatalf("%x encodes back as %x", in, out)
		}
	})
}
