package allowlist

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

var errTooManyRules = fmt.Errorf("more than %d rules", maxLines)

// Parse reads a list, one rule a line (see the package's grammar), and passes over
// a byte order mark at its beginning. Errors name the line, counted from 1.
func Parse(r io.Reader) (*List, error) {
	in := &io.LimitedReader{R: r, N: maxText + 1}
	sc := bufio.NewScanner(in)
	l := &List{}
	n := 0
	for sc.Scan() {
		n++
		text := sc.Text()
		if n == 1 {
			if isUTF16(text) {
				return nil, errUTF16
			}
			text = strings.TrimPrefix(text, byteOrderMark)
		}
		if err := l.addAt(text, fmt.Sprintf("line %d", n)); err != nil {
			if _, foreign := Import(strings.NewReader(text)); foreign == nil {
				return nil, fmt.Errorf("allowlist: line %d: %w (is the file a list of Nym's or Tor's? `network-requester policy import FILE` converts those)", n, err)
			}
			return nil, fmt.Errorf("allowlist: line %d: %w", n, err)
		}
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("allowlist: line %d: longer than %d bytes", n+1, bufio.MaxScanTokenSize)
	case err != nil:
		return nil, fmt.Errorf("allowlist: read: %w", err)
	case in.N == 0:
		return nil, fmt.Errorf("allowlist: longer than %d bytes", maxText)
	}
	return l, nil
}

// ParseFlags reads a list from the values of a repeated flag, one rule each.
// Errors name the value, counted from 1.
func ParseFlags(rules []string) (*List, error) {
	l := &List{}
	for i, rule := range rules {
		if strings.ContainsAny(rule, "\r\n") {
			return nil, fmt.Errorf("allowlist: rule %d: has more than one line", i+1)
		}
		if err := l.addAt(rule, fmt.Sprintf("rule %d", i+1)); err != nil {
			return nil, fmt.Errorf("allowlist: rule %d: %w", i+1, err)
		}
	}
	return l, nil
}

// addAt parses one line of text into l, and notes where it was written.
func (l *List) addAt(text, at string) error {
	n := len(l.lines)
	err := l.add(text)
	for i := range l.lines[n:] {
		l.lines[n+i].at = at
	}
	return err
}

// add parses one line of text into l.
func (l *List) add(text string) error {
	text, _, _ = strings.Cut(text, "#")
	words := strings.Fields(text)
	switch {
	case len(words) == 0:
		return nil
	case strings.EqualFold(words[0], "preset"):
		return l.addPreset(words[1:])
	case len(l.lines) == maxLines:
		return errTooManyRules
	}
	ln, err := parseLine(words)
	if err != nil || len(ln.ports) == 0 {
		return err
	}
	l.lines = append(l.lines, ln)
	return nil
}

func parseLine(words []string) (line, error) {
	first := strings.ToLower(words[0])
	switch {
	case first == "exitpolicy":
		return parseExitPolicy(words[1:])
	case first == "allow" || first == "deny":
		if len(words) == 1 {
			return line{}, fmt.Errorf("%s what? write %s example.org:443", first, first)
		}
		if len(words) == 3 && !strings.Contains(words[1], ":") {
			return line{}, fmt.Errorf("ports follow the host after a colon, did you mean %q?", words[1]+":"+words[2])
		}
		if len(words) > 2 {
			return line{}, fmt.Errorf("one host a line, found %d words after %s", len(words)-1, first)
		}
		return parseRule(first == "allow", words[1])
	case len(words) == 1:
		if meant := meantAction(first); meant != "" {
			return line{}, fmt.Errorf("%q is no host, did you mean %q and a host?", words[0], meant)
		}
		return parseRule(true, words[0])
	default:
		if meant := meantAction(first); meant != "" {
			return line{}, fmt.Errorf("unknown action %q, did you mean %q?", words[0], meant)
		}
		return line{}, fmt.Errorf("unknown action %q, a line begins with allow, deny or ExitPolicy", words[0])
	}
}

// meantAction guesses what a wrong first word stands for.
func meantAction(word string) string {
	switch word {
	case "accept", "permit", "pass", "alow", "alllow", "allows", "allowed", "+":
		return "allow"
	case "reject", "refuse", "block", "drop", "dney", "denny", "denies", "denied", "disallow", "-":
		return "deny"
	case "exit-policy", "exit_policy", "exitpolcy", "exitpolicies", "policy":
		return "ExitPolicy"
	}
	return ""
}

// parseRule parses PATTERN[:PORTS].
func parseRule(allow bool, text string) (line, error) {
	if strings.Contains(text, "://") {
		return line{}, fmt.Errorf("%q is a URL, write its host and port: example.org:443", text)
	}
	host, ports, err := cutPorts(text)
	if err != nil {
		return line{}, err
	}
	pat, err := parsePattern(host)
	if err != nil {
		return line{}, err
	}
	if masked := pat.prefix.Masked(); pat.kind == patPrefix && pat.prefix != masked {
		return line{}, fmt.Errorf("%q has bits set beyond its mask, did you mean %s?", host, masked)
	}
	spans, err := parsePorts(ports)
	if err != nil {
		return line{}, err
	}
	return line{allow: allow, pat: pat, ports: spans}, nil
}

// cutPorts separates PATTERN from PORTS, which is * if absent.
func cutPorts(text string) (host, ports string, err error) {
	end := 0 // where the colon may be
	switch {
	case strings.HasPrefix(text, "["):
		end = strings.IndexByte(text, ']')
		if end < 0 {
			return "", "", fmt.Errorf("%q lacks its closing bracket", text)
		}
	case strings.Count(text, ":") > 1:
		if end = strings.IndexByte(text, '/'); end < 0 {
			return "", "", fmt.Errorf("an IPv6 address stands in brackets: [2001:500::1] or [2001:500::1]:443, found %q", text)
		}
	}
	colon := strings.IndexByte(text[end:], ':')
	if colon < 0 {
		return text, "*", nil
	}
	return text[:end+colon], text[end+colon+1:], nil
}

// parseExitPolicy parses what follows ExitPolicy in a line of Nym (socks.md §14).
func parseExitPolicy(words []string) (line, error) {
	if len(words) != 2 {
		return line{}, fmt.Errorf("an exit policy line has the form: ExitPolicy accept *:443")
	}
	var allow bool
	switch strings.ToLower(words[0]) {
	case "accept", "accept6":
		allow = true
	case "reject", "reject6":
	case "allow", "deny":
		return line{}, fmt.Errorf("an exit policy line says accept or reject, found %q", words[0])
	default:
		return line{}, fmt.Errorf("unknown exit policy action %q, did you mean accept or reject?", words[0])
	}
	// socks.md §14: "The last colon separates ports."
	colon := strings.LastIndexByte(words[1], ':')
	if colon < 0 {
		return line{}, fmt.Errorf("an exit policy line needs ports, did you mean %q?", words[1]+":*")
	}
	pat, err := parsePattern(words[1][:colon])
	if err != nil {
		return line{}, err
	}
	if pat.kind == patName || pat.kind == patSuffix {
		return line{}, fmt.Errorf("an exit policy has no names, write allow %s instead", words[1])
	}
	pat.prefix = pat.prefix.Masked() // as Nym reads it
	text := words[1][colon+1:]
	switch {
	case text == "0" || text == "0-0":
		return line{allow: allow, pat: pat}, nil // about port 0, which is never dialed
	case strings.HasPrefix(text, "0-"):
		text = "1" + text[1:]
	}
	ports, err := parsePorts(text)
	if err != nil {
		return line{}, err
	}
	return line{allow: allow, pat: pat, ports: ports}, nil
}

// parsePattern parses PATTERN. It keeps bits beyond a mask: the caller judges.
func parsePattern(text string) (pattern, error) {
	switch text {
	case "":
		return pattern{}, errors.New("a host is missing before the ports")
	case "*":
		return pattern{kind: patAny}, nil
	case "*4":
		return pattern{kind: patAny4}, nil
	case "*6":
		return pattern{kind: patAny6}, nil
	}
	addr, mask, hasMask := strings.Cut(text, "/")
	inner, bracketed := strings.CutPrefix(addr, "[")
	if bracketed {
		var closed bool
		if inner, closed = strings.CutSuffix(inner, "]"); !closed {
			return pattern{}, fmt.Errorf("%q: brackets hold the address, the mask follows them: [2001:500::]/32", text)
		}
	}
	if a, err := netip.ParseAddr(inner); err == nil {
		switch {
		case a.Zone() != "":
			return pattern{}, fmt.Errorf("%q has a zone, such addresses are never dialed", text)
		case a.Is4In6():
			return pattern{}, fmt.Errorf("%q is an IPv4 address inside IPv6, did you mean %s?", text, a.Unmap())
		case bracketed && a.Is4():
			return pattern{}, fmt.Errorf("brackets are for IPv6, did you mean %s?", a)
		case !hasMask:
			return pattern{kind: patPrefix, prefix: netip.PrefixFrom(a, a.BitLen())}, nil
		}
		p, err := netip.ParsePrefix(a.String() + "/" + mask)
		if err != nil {
			return pattern{}, fmt.Errorf("mask %q is no number from 0 to %d", mask, a.BitLen())
		}
		return pattern{kind: patPrefix, prefix: p}, nil
	}
	switch {
	case bracketed:
		return pattern{}, fmt.Errorf("%q is no IPv6 address", text)
	case strings.HasPrefix(addr, "*") && hasMask && !strings.Contains(addr, "."):
		return pattern{}, fmt.Errorf("%s carries no mask", addr)
	case hasMask:
		return pattern{}, fmt.Errorf("%q is neither a host nor a range of addresses (paths cannot be allowed)", text)
	}
	return parseName(text)
}

// parseName parses a name or *.name.
func parseName(text string) (pattern, error) {
	if strings.HasPrefix(text, ".") {
		return pattern{}, fmt.Errorf("%q begins with a dot, did you mean %q?", text, "*"+text)
	}
	name, below := strings.CutPrefix(text, "*.")
	if strings.Contains(name, "*") {
		return pattern{}, fmt.Errorf("%q: a star stands alone, or for the whole beginning of a name: *.example.org", text)
	}
	for _, c := range []byte(name) {
		if c >= 0x80 {
			return pattern{}, fmt.Errorf("%q has letters beyond ASCII, write its xn-- form", text)
		}
	}
	probe := name
	if below {
		probe = "x." + name
	}
	canon, addr, why := canonical(probe)
	switch {
	case addr.IsValid() || why == ReasonNumber:
		return pattern{}, fmt.Errorf("%q looks like an address, write all four numbers: 192.0.43.7", text)
	case why == ReasonLocal && !below && !strings.Contains(strings.TrimSuffix(name, "."), "."):
		return pattern{}, fmt.Errorf("%q is a single label, such names are never looked up; write the whole name: %s.example.org", text, name)
	case why == ReasonLocal:
		return pattern{}, fmt.Errorf("%q is no name for the DNS and never looked up", text)
	case why != 0:
		return pattern{}, fmt.Errorf("%q is no host name", text)
	case below:
		return pattern{kind: patSuffix, name: strings.TrimPrefix(canon, "x")}, nil
	}
	return pattern{kind: patName, name: canon}, nil
}
