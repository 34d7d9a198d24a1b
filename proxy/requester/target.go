package requester

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

var errTarget = errors.New("requester: malformed target")

// A target is what a peer wants to reach.
type target struct {
	host string     // as it was sent, without brackets
	addr netip.Addr // if host is an address: unmapped
	port uint16
}

// parseTarget parses "host:port". IPv6 addresses come in brackets or without;
// then the last colon counts (socks.md §19.3).
func parseTarget(text string) (target, error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 || len(text) > maxTarget {
		return target{}, errTarget
	}
	host, digits := text[:colon], text[colon+1:]
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || digits[0] == '+' {
		return target{}, errTarget
	}
	inner, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		var closed bool
		if inner, closed = strings.CutSuffix(inner, "]"); !closed {
			return target{}, errTarget
		}
	}
	addr, err := netip.ParseAddr(inner)
	if inner == "" || (bracketed && (err != nil || addr.Is4())) {
		return target{}, errTarget
	}
	if err == nil && addr.Zone() == "" {
		return target{host: inner, addr: addr.Unmap(), port: uint16(port)}, nil
	}
	if strings.Contains(inner, ":") { // neither a name nor an address that could be dialed
		return target{}, errTarget
	}
	return target{host: inner, port: uint16(port)}, nil
}
