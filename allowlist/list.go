package allowlist

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A List is what an operator allows, in the order written. It never changes,
// so any number of goroutines may ask it. The zero List denies everything.
type List struct {
	lines []line
	guard func(netip.Addr) bool
}

// A line is one rule.
type line struct {
	allow bool
	pat   pattern
	ports []span
	at    string // where it was written, such as "line 12"
}

// Guard returns a List with the same lines that treats the addresses for which
// guarded returns true like a special range: the addresses of this host, those
// of the topology. It must be safe to call from many goroutines.
func (l *List) Guard(guarded func(netip.Addr) bool) *List {
	return &List{lines: l.lines, guard: guarded}
}

// Append returns a List with the lines of l, then those of more. It fails if there
// are too many.
func (l *List) Append(more *List) (*List, error) {
	if len(l.lines)+len(more.lines) > maxLines {
		return nil, errTooManyRules
	}
	return &List{lines: slices.Concat(l.lines, more.lines), guard: l.guard}, nil
}

// Allow is [List.Name] if addr is the zero Addr, else [List.Addr].
func (l *List) Allow(host string, addr netip.Addr, port uint16) error {
	if !addr.IsValid() {
		return l.Name(host, port)
	}
	return l.Addr(host, addr, port)
}

// Name decides, before any look-up, whether some address of host could be
// allowed. If it could not, the error is a [*DeniedError] and the name must not
// be looked up. A host that is an address in text form is decided at once.
func (l *List) Name(host string, port uint16) error {
	_, err := l.name(host, port)
	return err
}

// name is Name, with the line that decides, if one does.
func (l *List) name(host string, port uint16) (*line, error) {
	name, addr, reason := canonical(host)
	switch {
	case reason != 0:
		return nil, &DeniedError{reason}
	case addr.IsValid():
		return l.addr(host, addr, port)
	case port == 0:
		return nil, &DeniedError{ReasonPort}
	}
	closedPort, closedRange := false, metadata(name)
	for i := range l.lines {
		ln := &l.lines[i]
		byName, matches := ln.pat.matchName(name)
		if byName && !matches || closedRange && ln.allow && ln.pat.kind != patName {
			continue
		}
		switch ln.covers(port) {
		case portOutside:
			continue
		case portUnnamed:
			closedPort = true
			continue
		}
		if ln.allow {
			return ln, nil // by name, or for an address it may turn out to have
		}
		if byName {
			return ln, &DeniedError{ReasonLine}
		}
		// A deny line for addresses: it may spare the one this name has.
	}
	return nil, &DeniedError{noMatch(closedRange, closedPort)}
}

// Addr decides whether addr may be dialed for host. The host may be the empty
// string or an address in text form, if no name led to the address. The error is
// a [*DeniedError].
func (l *List) Addr(host string, addr netip.Addr, port uint16) error {
	_, err := l.addr(host, addr, port)
	return err
}

// addr is Addr, with the line that decides, if one does.
func (l *List) addr(host string, addr netip.Addr, port uint16) (*line, error) {
	name := ""
	if host != "" {
		var reason Reason
		if name, _, reason = canonical(host); reason != 0 {
			return nil, &DeniedError{reason}
		}
	}
	addr = addr.Unmap()
	switch {
	case !addr.IsValid():
		return nil, &DeniedError{ReasonName}
	case addr.Zone() != "":
		return nil, &DeniedError{ReasonSpecial}
	case port == 0:
		return nil, &DeniedError{ReasonPort}
	}
	block, special := specialBlock(addr)
	if !special && l.guard != nil && l.guard(addr) {
		block, special = netip.PrefixFrom(addr, addr.BitLen()), true
	}
	named := metadata(name) // and only its name opens it
	closedRange, closedPort := named, false
	for i := range l.lines {
		ln := &l.lines[i]
		if !ln.pat.match(name, addr) {
			continue
		}
		switch ln.covers(port) {
		case portOutside:
			continue
		case portUnnamed:
			closedPort = true
			continue
		}
		if !ln.allow {
			return ln, &DeniedError{ReasonLine}
		}
		if named && ln.pat.kind != patName || special && !ln.pat.inside(block) {
			closedRange = true
			continue
		}
		return ln, nil
	}
	return nil, &DeniedError{noMatch(closedRange, closedPort)}
}

// noMatch is the reason for a walk that found no line.
func noMatch(closedRange, closedPort bool) Reason {
	switch {
	case closedRange:
		return ReasonSpecial
	case closedPort:
		return ReasonPort
	default:
		return ReasonNoLine
	}
}

// Empty reports whether the list has no allow line, so that it denies everything.
func (l *List) Empty() bool {
	for _, ln := range l.lines {
		if ln.allow {
			return false
		}
	}
	return true
}

// Open reports whether the list allows every public host, on every port that
// is not closed by default: nothing is denied before a line "allow *".
func (l *List) Open() bool {
	for _, ln := range l.lines {
		switch {
		case !ln.allow:
			return false
		case ln.pat.kind == patAny && ln.allPorts():
			return true
		}
	}
	return false
}

// String gives the lines in their plainest form, each with a newline. Parsed
// again they give an equal List.
func (l *List) String() string {
	var b strings.Builder
	for _, ln := range l.lines {
		b.WriteString(ln.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Describe says in one sentence what is allowed, for an operator at start.
// It gives numbers, no host.
func (l *List) Describe() string {
	if l.Empty() {
		return "nothing is allowed"
	}
	names, ranges, wide, denies, opened := 0, 0, 0, 0, 0
	for _, ln := range l.lines {
		switch {
		case !ln.allow:
			denies++
		case ln.pat.kind == patName || ln.pat.kind == patSuffix:
			names++
		case ln.pat.kind != patPrefix:
			wide++
		default:
			ranges++
			if block, ok := specialBlock(ln.pat.prefix.Addr()); ok && ln.pat.inside(block) {
				opened++
			}
		}
	}
	var s string
	switch {
	case l.Open():
		s = "every public host is allowed, save on ports that are closed by default"
	case wide > 0:
		s = fmt.Sprintf("every public host is allowed on some ports; besides %s and %s", count(names, "name", "names"), count(ranges, "address or range", "addresses or ranges"))
	default:
		s = count(names, "name", "names") + " and " + count(ranges, "address or range", "addresses or ranges") + " allowed"
	}
	if denies > 0 {
		s += "; " + count(denies, "line denies", "lines deny")
	}
	if opened > 0 {
		s += "; " + count(opened, "line opens", "lines open") + " special ranges such as private networks"
	}
	return s
}

// count writes a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (ln line) String() string {
	action := "deny"
	if ln.allow {
		action = "allow"
	}
	s := action + " " + ln.pat.String()
	if ln.allPorts() {
		return s
	}
	return s + ":" + spansText(ln.ports)
}
