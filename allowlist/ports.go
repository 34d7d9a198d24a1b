package allowlist

import (
	"fmt"
	"strconv"
	"strings"
)

// A span is a range of ports from 1 to 65535, both ends included.
type span struct{ first, last uint16 }

var allPorts = span{1, 65535}

// closedPorts are denied unless a line names them: mail submission between
// servers, and what Tor's default exit policy rejects (H31).
var closedPorts = []span{
	{25, 25}, {119, 119}, {135, 139}, {445, 445}, {563, 563}, {1214, 1214},
	{4661, 4666}, {6346, 6429}, {6699, 6699}, {6881, 6999},
}

func (s span) has(port uint16) bool     { return s.first <= port && port <= s.last }
func (s span) within(other span) bool   { return other.first <= s.first && s.last <= other.last }
func (s span) overlaps(other span) bool { return s.first <= other.last && other.first <= s.last }

// How a line stands to a port.
type portMatch uint8

const (
	portOutside portMatch = iota // the line is about other ports
	portUnnamed                  // inside, but closed by default and not named
	portInside
)

func (ln *line) covers(port uint16) portMatch {
	var block span // the closed ports around this one
	if ln.allow {
		for _, c := range closedPorts {
			if c.has(port) {
				block = c
			}
		}
	}
	m := portOutside
	for _, s := range ln.ports {
		if !s.has(port) {
			continue
		}
		if block == (span{}) || s.within(block) {
			return portInside
		}
		m = portUnnamed
	}
	return m
}

func (ln *line) allPorts() bool { return len(ln.ports) == 1 && ln.ports[0] == allPorts }

// parsePorts reads 443, 80,443, 8000-8999 or *.
func parsePorts(text string) ([]span, error) {
	if text == "*" {
		return []span{allPorts}, nil
	}
	var spans []span
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := parsePort(first)
		if err != nil {
			return nil, err
		}
		b := a
		if isRange {
			if b, err = parsePort(last); err != nil {
				return nil, err
			}
		}
		if a > b {
			return nil, fmt.Errorf("port range %q runs backwards, did you mean %d-%d?", part, b, a)
		}
		spans = append(spans, span{a, b})
	}
	return spans, nil
}

func parsePort(text string) (uint16, error) {
	if text == "" {
		return 0, fmt.Errorf("a port is missing, write a number from 1 to 65535 or *")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || text[0] == '+' || (text[0] == '0' && len(text) > 1) {
		return 0, fmt.Errorf("port %q is no number from 1 to 65535", text)
	}
	if n == 0 {
		return 0, fmt.Errorf("port 0 cannot be dialed, did you mean *?")
	}
	return uint16(n), nil
}

func spansText(spans []span) string {
	if len(spans) == 1 && spans[0] == allPorts {
		return "*"
	}
	var b strings.Builder
	for i, s := range spans {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(s.first)))
		if s.last != s.first {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(int(s.last)))
		}
	}
	return b.String()
}
