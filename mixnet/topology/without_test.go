package topology

import (
	"math/rand/v2"
	"testing"
	"time"

	"nym-socks5/mixnet"
)

// Routes lead around what is left out, but for a whole layer.
func TestWithout(t *testing.T) {
	n, err := New(snapshot(3))
	if err != nil {
		t.Fatal(err)
	}
	gone := map[mixnet.NodeAddr]bool{n.Layer(1)[0].Addr: true}
	for _, m := range n.Layer(3) {
		gone[m.Addr] = true
	}
	w := n.Without(func(a mixnet.NodeAddr) bool { return gone[a] })
	if len(w.Layer(1)) != 2 || len(w.Layer(2)) != 3 || len(w.Layer(3)) != 3 || len(n.Layer(1)) != 3 {
		t.Errorf("layers of %d, %d, %d mixes, want 2, 3 and 3; and %d before, want 3", len(w.Layer(1)), len(w.Layer(2)), len(w.Layer(3)), len(n.Layer(1)))
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		route, err := w.AppendRoute(nil, rng, n.Gateways()[0].Identity, time.Millisecond)
		if err != nil || route[0].Addr == n.Layer(1)[0].Addr {
			t.Fatalf("a route through the mix that is left out (%v)", err)
		}
	}
	if role, ok := w.Role(n.Layer(1)[0].Addr); !ok || role != RoleMix1 {
		t.Error("the network forgets what is left out of routes")
	}
}
