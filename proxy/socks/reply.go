package socks

import (
	"context"
	"errors"
	"net/http"

	"nym-socks5/proxy"
)

// A code is a SOCKS5 reply code (RFC 1928 §6). SOCKS4 and HTTP answers derive
// from it.
type code uint8

const (
	codeSucceeded   code = iota
	codeFailure          // internal failure, limits reached
	codeDenied           // denied by policy
	codeNoNetwork        // no gateway, no topology, provider unknown
	codeUnreachable      // unknown name, or the connect failed
	codeRefused          // the target refused
	codeNoAnswer         // no answer in time
	codeCommand          // unsupported command
	codeAddressType      // unsupported address type
	codes                // how many there are
)

// codeOf gives the code for an outcome of Dial: the table of socks.md §21.2.
func codeOf(err error) code {
	var open *proxy.OpenError
	if !errors.As(err, &open) {
		switch {
		case err == nil:
			return codeSucceeded
		case errors.Is(err, context.DeadlineExceeded):
			return codeNoAnswer
		default:
			return codeFailure
		}
	}
	switch open.Reason {
	case proxy.ReasonDenied:
		return codeDenied
	case proxy.ReasonDNS, proxy.ReasonUnknown, proxy.ReasonUnreachable:
		return codeUnreachable
	case proxy.ReasonRefused:
		return codeRefused
	case proxy.ReasonTimeout, proxy.ReasonNoAnswer:
		return codeNoAnswer
	case proxy.ReasonNoNetwork:
		return codeNoNetwork
	default: // ReasonLimit, ReasonInternal
		return codeFailure
	}
}

// v5 is the SOCKS5 reply, full length whatever the code.
func (c code) v5() []byte { return []byte{5, byte(c), 0, 1, 0, 0, 0, 0, 0, 0} }

// v4 is the SOCKS4 reply.
func (c code) v4() []byte {
	b := []byte{0, 0x5B, 0, 0, 0, 0, 0, 0}
	if c == codeSucceeded {
		b[1] = 0x5A
	}
	return b
}

// tooMany is what an HTTP client reads when a limit is reached, or something failed
// that it has no part in.
const tooMany = "The proxy or the network requester has too much to do. Try again in a while."

// http is the status and the explanation for an HTTP client.
func (c code) http() (status int, text string) {
	switch c {
	case codeSucceeded:
		return http.StatusOK, "connected"
	case codeDenied:
		return http.StatusForbidden, "The network requester's policy does not allow this destination. Another requester may."
	case codeNoNetwork:
		return http.StatusServiceUnavailable, "There is no way into the mixnet at the moment. Its log says what is missing; try again in a while."
	case codeUnreachable:
		return http.StatusBadGateway, "The destination is unknown or cannot be reached. Is its name spelled right?"
	case codeRefused:
		return http.StatusBadGateway, "The destination refused the connection."
	case codeNoAnswer:
		return http.StatusGatewayTimeout, "No answer came in time, from the network requester or the destination. Try again."
	default:
		return http.StatusServiceUnavailable, tooMany
	}
}
