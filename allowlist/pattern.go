package allowlist

import (
	"net/netip"
	"strings"
)

type patternKind uint8

const (
	patAny    patternKind = iota // *
	patAny4                      // *4
	patAny6                      // *6
	patName                      // example.org
	patSuffix                    // *.example.org
	patPrefix                    // 192.0.43.7, 192.0.43.0/24
)

// A pattern says which hosts a line is about.
type pattern struct {
	kind   patternKind
	name   string       // canonical; for a suffix with its leading dot
	prefix netip.Prefix // masked; never 4-in-6, never zoned
}

// matchName compares the pattern with a canonical name whose addresses are not
// known. byName is false if the addresses decide.
func (p *pattern) matchName(name string) (byName, matches bool) {
	switch p.kind {
	case patAny:
		return true, true
	case patName:
		return true, name == p.name
	case patSuffix:
		return true, strings.HasSuffix(name, p.name)
	default:
		return false, false
	}
}

// match compares the pattern with a canonical name, or none, and an unmapped
// address.
func (p *pattern) match(name string, addr netip.Addr) bool {
	switch p.kind {
	case patAny4:
		return addr.Is4()
	case patAny6:
		return addr.Is6()
	case patPrefix:
		return p.prefix.Contains(addr)
	default:
		_, ok := p.matchName(name)
		return ok
	}
}

// inside reports whether the pattern names addresses, and only such of block:
// what a line needs to open a special range.
func (p *pattern) inside(block netip.Prefix) bool {
	return p.kind == patPrefix && p.prefix.Bits() >= block.Bits() && block.Contains(p.prefix.Addr())
}

func (p *pattern) String() string {
	switch p.kind {
	case patAny:
		return "*"
	case patAny4:
		return "*4"
	case patAny6:
		return "*6"
	case patName:
		return p.name
	case patSuffix:
		return "*" + p.name
	}
	addr, mask, _ := strings.Cut(p.prefix.String(), "/")
	if p.prefix.Addr().Is6() {
		addr = "[" + addr + "]"
	}
	if p.prefix.IsSingleIP() {
		return addr
	}
	return addr + "/" + mask
}

// canonical brings a host into the one form that is compared: a name in lower
// case without a trailing dot, or an address, unmapped. Zoned addresses, and
// names that must not be looked up, give the reason (H30, H31).
func canonical(host string) (name string, addr netip.Addr, why Reason) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", netip.Addr{}, ReasonSpecial
		}
		return "", addr.Unmap(), 0
	}
	name = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is4() {
		return "", addr, 0
	}
	if !wellFormed(name) {
		return "", netip.Addr{}, ReasonName
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case isNumber(last):
		return "", netip.Addr{}, ReasonNumber
	case last == name || notForDNS(last):
		return "", netip.Addr{}, ReasonLocal
	}
	return name, netip.Addr{}, 0
}

// wellFormed reports whether a name in lower case has the form of a host name:
// labels of 1 to 63 letters, digits, hyphens and underscores.
func wellFormed(name string) bool {
	if len(name) > maxName {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// isNumber reports whether parsers of the inet_aton family take a last label
// for a number, and so the whole name for an IPv4 address.
func isNumber(label string) bool {
	digits := "0123456789"
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		label, digits = rest, "0123456789abcdef"
	}
	return strings.Trim(label, digits) == ""
}

// notForDNS reports whether names below this last label are never looked up:
// RFC 6761, 6762, 7686, 9476.
func notForDNS(last string) bool {
	switch last {
	case "local", "localhost", "onion", "invalid", "alt":
		return true
	}
	return false
}
