package allowlist

import (
	"net/netip"
)

// A Rule is one rule of an exit policy as Nym's query answer carries it
// (socks.md §7.3). Pattern is *, *4, *6, a.b.c.d/m or an IPv6 address/m without
// brackets. First match wins.
type Rule struct {
	Accept      bool
	Pattern     string
	First, Last uint16
}

// ExitPolicy tells the list in the words of an exit policy: exact for
// addresses, what is closed by default included. An exit policy has no names,
// so lines about names are left out: what only they allow is rejected here, what
// only they deny is not.
//
// Special ranges and public addresses do not overlap, so the first part of the
// policy speaks of the former and the second part of the latter.
func (l *List) ExitPolicy() []Rule {
	rules := l.specialRules()
	if l.reachesSpecial() {
		for _, block := range special {
			rules = append(rules, rejectAll(block.String()))
		}
	}
	for i := range l.lines {
		ln := &l.lines[i]
		text, ok := ln.pat.exitPolicyText()
		if !ok || (ln.allow && ln.opens()) {
			continue
		}
		for _, s := range ln.openPorts() {
			rules = append(rules, Rule{ln.allow, text, s.first, s.last})
		}
	}
	return append(rules, rejectAll("*"))
}

// specialRules are the rules about addresses in special ranges, up to the point
// where everything there is rejected.
func (l *List) specialRules() (rules []Rule) {
	for i := range l.lines {
		ln := &l.lines[i]
		if ln.allow {
			if ln.opens() {
				for _, s := range ln.openPorts() {
					rules = append(rules, Rule{true, ln.pat.prefix.String(), s.first, s.last})
				}
			}
			continue
		}
		for _, block := range ln.pat.within(special) {
			for _, s := range ln.ports {
				rules = append(rules, Rule{false, block.String(), s.first, s.last})
			}
		}
	}
	return rules
}

// reachesSpecial reports whether an allow line that opens no special range
// would do so by its pattern alone.
func (l *List) reachesSpecial() bool {
	for i := range l.lines {
		ln := &l.lines[i]
		if ln.allow && !ln.opens() && len(ln.pat.within(special)) > 0 {
			return true
		}
	}
	return false
}

// opens reports whether the line names addresses inside a special range.
func (ln *line) opens() bool {
	if ln.pat.kind != patPrefix {
		return false
	}
	block, ok := specialBlock(ln.pat.prefix.Addr())
	return ok && ln.pat.inside(block)
}

// within cuts the pattern down to the blocks it touches.
func (p *pattern) within(blocks []netip.Prefix) (cut []netip.Prefix) {
	for _, b := range blocks {
		switch {
		case p.kind == patAny,
			p.kind == patAny4 && b.Addr().Is4(),
			p.kind == patAny6 && b.Addr().Is6():
			cut = append(cut, b)
		case p.kind == patPrefix && p.prefix.Overlaps(b):
			if p.prefix.Bits() > b.Bits() {
				b = p.prefix
			}
			cut = append(cut, b)
		}
	}
	return cut
}

// openPorts are the line's ports without those that an allow line has to name
// and this one does not.
func (ln *line) openPorts() (open []span) {
	for _, s := range ln.ports {
		if !ln.allow {
			open = append(open, s)
			continue
		}
		next := s.first // the first port not yet decided
		done := false
		for _, c := range closedPorts { // in rising order
			if done || !c.overlaps(s) || s.within(c) {
				continue
			}
			if c.first > next {
				open = append(open, span{next, c.first - 1})
			}
			next = c.last + 1
			done = c.last >= s.last
		}
		if !done {
			open = append(open, span{next, s.last})
		}
	}
	return open
}

// exitPolicyText is the pattern in Nym's text form; ok is false for names.
func (p *pattern) exitPolicyText() (text string, ok bool) {
	switch p.kind {
	case patAny, patAny4, patAny6:
		return p.String(), true
	case patPrefix:
		// socks.md §7.3: "a mask of 0 is written as *4 / *6"
		if p.prefix.Bits() == 0 {
			if p.prefix.Addr().Is4() {
				return "*4", true
			}
			return "*6", true
		}
		return p.prefix.String(), true
	default:
		return "", false
	}
}

func rejectAll(pattern string) Rule { return Rule{Pattern: pattern, First: 1, Last: 65535} }
