package topology

import (
	"math/rand/v2"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// MaxDelay is the longest delay that nodes honour (sphinx.md §3.10).
const MaxDelay = 10 * time.Second

// AppendRoute draws a route to the clients of a gateway and appends its 4 hops
// to dst: one node of each layer, uniformly, then the gateway (sphinx.md
// §5.11). Each hop's delay is drawn with the given mean. It fails with
// [ErrUnknownGateway].
func (n *Network) AppendRoute(dst []sphinx.Hop, rng *rand.Rand, gateway keys.Identity, mean time.Duration) ([]sphinx.Hop, error) {
	i, ok := n.byIdentity[gateway]
	if !ok {
		return dst, ErrUnknownGateway
	}
	for _, layer := range n.layers {
		dst = append(dst, hop(&layer[rng.IntN(len(layer))], rng, mean))
	}
	return append(dst, hop(&n.gateways[i], rng, mean)), nil
}

func hop(n *Node, rng *rand.Rand, mean time.Duration) sphinx.Hop {
	return sphinx.Hop{Addr: n.Addr, Key: n.Sphinx, Delay: Delay(rng, mean)}
}

// Delay draws from the exponential distribution with the given mean. What
// exceeds [MaxDelay] is drawn again: a clamped value would stand out (H03). A
// mean of zero gives zero; so does a negative one.
func Delay(rng *rand.Rand, mean time.Duration) time.Duration {
	if mean <= 0 {
		return 0
	}
	mean = min(mean, MaxDelay)
	for {
		if d := time.Duration(rng.ExpFloat64() * float64(mean)); d <= MaxDelay {
			return d
		}
	}
}

// TotalDelay is how long a packet waits on a route: the last hop never delays.
func TotalDelay(route []sphinx.Hop) (d time.Duration) {
	for _, h := range route[:max(0, len(route)-1)] {
		d += h.Delay
	}
	return d
}
