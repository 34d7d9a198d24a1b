package fleet

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/rs/zerolog"

	"nym-socks5/config"
)

// A Spec says what network to make on this machine. Dir, Programs and rules are
// needed.
type Spec struct {
	// Dir is the network's folder. What is in it is used again.
	Dir string
	// Programs are what runs.
	Programs Programs

	// MixesPerLayer is how many mix nodes each of three layers has. If zero, it is 2.
	MixesPerLayer int
	// Gateways is how many gateways there are. If zero, it is 2. The SOCKS side
	// uses the first, the requester the last.
	Gateways int
	// Requesters is how many requesters there are, all of which the SOCKS side has.
	// If zero, it is 1.
	Requesters int
	// Directory and SOCKS are the addresses of these ports. Port 0 is a free
	// one, or the one it was before. If they are not valid, they are on 127.0.0.1.
	Directory, SOCKS netip.AddrPort
	// Client is the address of the WebSocket of a nym-client. If it is not valid,
	// there is none.
	Client netip.AddrPort
	// BeyondLoopback lets SOCKS and Client be addresses that other machines reach.
	BeyondLoopback bool
	// Traffic is that of all clients.
	Traffic Traffic
	// PacketSize is the name of the size of clients' packets. If empty, it is regular.
	PacketSize string
	// Rules are what the requester may dial.
	Rules Rules
	// LogLevel is that of all parts. If empty, it is info.
	LogLevel string
	// Heard, if set, is called with each status that a part's process tells. It must
	// not wait.
	Heard func(part, status string)
	// Log receives what becomes of the parts. The zero Logger drops everything.
	Log zerolog.Logger
}

// Traffic says when packets of clients leave.
type Traffic bool

// Kinds of traffic.
const (
	Nym  Traffic = false // delays, pacing and cover as in Nym
	Fast Traffic = true  // none of it: this hides nothing
)

// flags are those of a client with such traffic.
func (t Traffic) flags() []string {
	c := config.NewSOCKS().Client
	if t == Fast {
		c.HopDelay, c.SendEvery, c.CoverEvery = config.Off, config.Off, config.Off
	}
	return []string{"--hop-delay", c.HopDelay.String(), "--send-every", c.SendEvery.String(), "--cover-every", c.CoverEvery.String()}
}

// clientFlags are those of a client of this network.
func (s Spec) clientFlags() []string {
	return append(s.Traffic.flags(), "--packet-size", s.PacketSize)
}

// Rules are what a requester may dial.
type Rules struct {
	Allow []string // rules of package allowlist
	File  string   // of further ones; may be empty
	// Open says that the rules may allow everything.
	Open bool
}

// flags say all of it, so that nothing of an earlier instance stays in force.
func (r Rules) flags() (flags []string) {
	for _, rule := range r.Allow {
		flags = append(flags, "--allow", rule)
	}
	if len(r.Allow) == 0 {
		flags = append(flags, "--allow=")
	}
	return append(flags, "--allowlist="+r.File, "--open="+strconv.FormatBool(r.Open))
}

// layers is how many layers of mixes a network has.
const layers = 3

func (s Spec) withDefaults() (Spec, error) {
	if s.MixesPerLayer < 0 || s.MixesPerLayer > maxParts || s.Gateways < 0 || s.Gateways > maxParts || s.Requesters < 0 || s.Requesters > maxParts {
		return s, fmt.Errorf("fleet: between 1 and %d mixes in a layer, and gateways", maxParts)
	}
	if s.MixesPerLayer == 0 {
		s.MixesPerLayer = 2
	}
	if s.Requesters == 0 {
		s.Requesters = 1
	}
	if s.Gateways == 0 {
		s.Gateways = 2
	}
	loopback := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	for _, at := range []*netip.AddrPort{&s.Directory, &s.SOCKS} {
		if !at.IsValid() {
			*at = loopback
		}
	}
	if s.PacketSize == "" {
		s.PacketSize = config.NewSOCKS().Client.Packet
	}
	if s.LogLevel == "" {
		s.LogLevel = "info"
	}
	return s, nil
}
