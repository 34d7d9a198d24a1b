package mixnode

import (
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/topology"
)

// A Config configures a Node.
type Config struct {
	// Keys are the Sphinx keys to begin with; SetKeys changes them.
	Keys Keys
	// Noise is the static key of our links. If nil, Noise is off.
	Noise *keys.NoiseKey
	// PreviousNoise is the key before that, while others may still know us by it. If
	// nil, there is none.
	PreviousNoise *keys.NoiseKey
	// Addr is our mix port as the topology has it: it tells our layer. A node
	// that is not in the topology does not enforce layers.
	Addr mixnet.NodeAddr
	// Topology gives the network as it is now, nil while it is not known: then
	// nothing is passed on. It is called for every few packets and must be
	// quick. Required.
	Topology func() *topology.Network
	// Deliver takes the packets that end here, and owns them. It is called by
	// many goroutines at once and must not block. If nil, the node is a mix
	// node and drops them; if set, it is a gateway, and drops those that do not
	// end here.
	Deliver func(Delivered)
	// StrictLayers forbids packets between gateways, which clients send that
	// switched mixing off.
	StrictLayers bool
	// AllowLegacy accepts packets of versions 1, 256 and 257 (H07).
	AllowLegacy bool

	// MaxDelay caps the delay a sender may ask for. If zero, it is 10 seconds,
	// as among real nodes; more is not possible.
	MaxDelay time.Duration
	// DrainTimeout is how long Run waits at its end for packets in the delay
	// wheel; those that must wait longer are dropped. If zero, it is MaxDelay;
	// if negative, nothing is waited for.
	DrainTimeout time.Duration
	// DelayBytes bounds the delay wheel. If zero, it is 256 MiB.
	DelayBytes int
	// DelayQuota bounds one link's part of it. If zero, it is a quarter of it.
	DelayQuota int
	// QueueBytes bounds the packets of one link that wait to be unwrapped. If
	// zero, it is 2 MiB.
	QueueBytes int
	// QueueTotal bounds those of all links. If zero, it is 256 MiB.
	QueueTotal int
	// ReplayBytes bounds the replay filter of each key. If zero, it is 1 GiB,
	// enough for 90 million packets. It begins with 128 KiB.
	ReplayBytes int
	// Workers is how many goroutines unwrap. If zero, it is GOMAXPROCS.
	Workers int

	// Server has the limits for inbound links. Its Key, Standing, Admit, Serve
	// and Log are the node's business and ignored. MaxConnsPerAddr is 32 if zero.
	Server link.ServerConfig
	// Pool has Dial, Filter and the limits for outbound links. Its Key,
	// NoiseKey and Log are ignored.
	Pool link.PoolConfig

	// Log receives the node's log. The zero Logger drops everything.
	Log zerolog.Logger
}

func (c *Config) fill() {
	if c.MaxDelay <= 0 || c.MaxDelay > maxDelay {
		c.MaxDelay = maxDelay
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = c.MaxDelay + wheelTick
	}
	for _, d := range []struct {
		v  *int
		to int
	}{
		{&c.DelayBytes, delayBytes},
		{&c.QueueBytes, queueBytes},
		{&c.QueueTotal, queueTotal},
		{&c.ReplayBytes, replayBytes},
		{&c.Workers, runtime.GOMAXPROCS(0)},
		{&c.Server.MaxConnsPerAddr, maxConnsPerAddr},
	} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	if c.DelayQuota == 0 {
		c.DelayQuota = c.DelayBytes / delayShare
	}
	c.Log = c.Log.With().Str("component", "mixnode").Logger()
}
