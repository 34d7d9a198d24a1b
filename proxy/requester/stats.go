package requester

import (
	"sync/atomic"

	"nym-socks5/proxy"
)

// Stats are the counters of a Requester since it was made, and one gauge. They
// tell nothing of targets but the class of their port.
type Stats struct {
	Active    int    // streams being opened or open
	Incoming  uint64 // streams asked for
	Connected uint64 // streams accepted

	Denied      uint64 // refused by policy, malformed
	DNS         uint64 // names that did not resolve
	Refused     uint64 // by the target
	Unreachable uint64 // no route to the target
	Timeout     uint64 // the target was silent
	Limit       uint64 // too many streams
	Internal    uint64 // given up meanwhile, broken streams
	Unknown     uint64 // other failures to connect

	PortsWeb   uint64 // wishes for 80, 443, 8080, 8443
	PortsMail  uint64 // wishes for 25, 110, 143, 465, 587, 993, 995
	PortsOther uint64 // wishes for other ports
}

type counters struct {
	active              atomic.Int64
	incoming, connected atomic.Uint64
	reasons             [proxy.ReasonInternal + 1]atomic.Uint64 // by proxy.Reason
	web, mail, other    atomic.Uint64
}

func (c *counters) rejected(r proxy.Reason) { c.reasons[r].Add(1) }

func (c *counters) port(p uint16) {
	switch p {
	case 80, 443, 8080, 8443:
		c.web.Add(1)
	case 25, 110, 143, 465, 587, 993, 995:
		c.mail.Add(1)
	default:
		c.other.Add(1)
	}
}

// Stats copies the counters out.
func (r *Requester) Stats() Stats {
	c := &r.count
	return Stats{
		Active:      int(c.active.Load()),
		Incoming:    c.incoming.Load(),
		Connected:   c.connected.Load(),
		Denied:      c.reasons[proxy.ReasonDenied].Load(),
		DNS:         c.reasons[proxy.ReasonDNS].Load(),
		Refused:     c.reasons[proxy.ReasonRefused].Load(),
		Unreachable: c.reasons[proxy.ReasonUnreachable].Load(),
		Timeout:     c.reasons[proxy.ReasonTimeout].Load(),
		Limit:       c.reasons[proxy.ReasonLimit].Load(),
		Internal:    c.reasons[proxy.ReasonInternal].Load(),
		Unknown:     c.reasons[proxy.ReasonUnknown].Load(),
		PortsWeb:    c.web.Load(),
		PortsMail:   c.mail.Load(),
		PortsOther:  c.other.Load(),
	}
}
