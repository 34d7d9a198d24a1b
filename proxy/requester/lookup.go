package requester

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// A family is what was found of a name's addresses of one family.
type family struct {
	six   bool
	addrs []netip.Addr // unmapped, each one once
	err   error
}

// lookup asks for both families of addresses at once, each within the time limit.
// The answers come as they do.
func (r *Requester) lookup(ctx context.Context, host string) <-chan family {
	answers := make(chan family, 2) // room for both: nobody waits
	for _, network := range []string{"ip6", "ip4"} {
		go func() {
			ctx, cancel := context.WithTimeout(ctx, r.cfg.LookupTimeout)
			defer cancel()
			found, err := r.cfg.Lookup(ctx, network, host)
			f := family{six: network == "ip6", err: err}
			for _, a := range found {
				a = a.Unmap()
				if a.IsValid() && a.Zone() == "" && a.Is6() == f.six && !slices.Contains(f.addrs, a) && len(f.addrs) < maxAddrs {
					f.addrs = append(f.addrs, a)
				}
			}
			answers <- f
		}()
	}
	return answers
}

// A resolution takes in the answers about both families of a target's addresses
// and says which of them may be dialed, and when (RFC 8305 §3): IPv6 at once, IPv4
// once the answer about IPv6 has come or was waited for. One that comes late joins.
type resolution struct {
	answers <-chan family
	pending int              // answers still to come
	hold    <-chan time.Time // until then IPv4 waits; nil: it does not
	late    <-chan time.Time // until then an answer is waited for, although the name seems not to exist

	six, four []netip.Addr // found, allowed, not dialed
	wasSix    bool         // the one dialed last
	found     bool         // an address was found
	denied    error        // why one of them may not be dialed
	failed    error        // why a family is not known
}

// next takes the next address to dial, families taking turns; false if there is
// none yet.
func (s *resolution) next() (a netip.Addr, ok bool) {
	from := &s.six
	switch {
	case len(s.four) > 0 && s.hold == nil && (len(s.six) == 0 || s.wasSix):
		from = &s.four
	case len(s.six) == 0:
		return netip.Addr{}, false
	}
	a, *from = (*from)[0], (*from)[1:]
	s.wasSix = a.Is6()
	return a, true
}

// add takes in an answer. It reports false if the name as a whole is refused.
func (r *Requester) add(s *resolution, t target, f family) bool {
	s.pending--
	if f.six || s.pending == 0 {
		s.hold = nil
	} else if len(f.addrs) > 0 {
		s.hold = time.After(resolutionDelay)
	}
	if f.err != nil {
		s.failed = f.err
		if errors.Is(f.err, errNoName) && s.pending > 0 {
			s.late = time.After(nameErrorDelay)
		}
	}
	for _, a := range f.addrs {
		s.found = true
		switch denied := r.cfg.Allow(t.host, a, t.port); {
		case denied != nil:
			s.denied = denied
			if r.cfg.RefuseMixed {
				return false
			}
		case a.Is6():
			s.six = append(s.six, a)
		default:
			s.four = append(s.four, a)
		}
	}
	return true
}
