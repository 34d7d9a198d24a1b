package proxy

import "nym-socks5/proxy/protocol"

// A Reason says why a stream could not be opened (socks.md §21.2, §21.7).
type Reason uint8

// The reasons. The last two are found by the dialing side itself.
const (
	ReasonUnknown     Reason = iota // the TCP connection failed, nothing more is known
	ReasonDenied                    // the requester's policy, or a name it could not resolve
	ReasonDNS                       // the name does not resolve
	ReasonRefused                   // TCP: refused
	ReasonUnreachable               // TCP: no route
	ReasonTimeout                   // TCP: no answer
	ReasonLimit                     // the requester has too many streams
	ReasonInternal                  // something else at the requester
	ReasonNoAnswer                  // the requester did not answer in time
	ReasonNoNetwork                 // there is no gateway, no topology or no requester
)

// reasons has the words and, for what a requester may say, the codes.
var reasons = [...]struct{ text, code string }{
	ReasonUnknown:     {"connection failed", ""},
	ReasonDenied:      {"denied by the requester", protocol.CodeDenied},
	ReasonDNS:         {"name does not resolve", protocol.CodeDNS},
	ReasonRefused:     {"connection refused", protocol.CodeRefused},
	ReasonUnreachable: {"host unreachable", protocol.CodeUnreachable},
	ReasonTimeout:     {"connection timed out", protocol.CodeTimeout},
	ReasonLimit:       {"too many streams", protocol.CodeLimit},
	ReasonInternal:    {"internal failure", protocol.CodeInternal},
	ReasonNoAnswer:    {"no answer from the requester", ""},
	ReasonNoNetwork:   {"mixnet not available", ""},
}

// String says the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r].text
	}
	return "unknown reason"
}

// policy reports whether the reason is one that requesters of others report
// by a failure message; theirs do not say why TCP failed.
func (r Reason) policy() bool {
	return r == ReasonDenied || r == ReasonDNS || r == ReasonLimit || r == ReasonInternal
}

// failureText is the text of the failure message for r.
func (r Reason) failureText() string {
	if int(r) >= len(reasons) || reasons[r].code == "" {
		r = ReasonInternal
	}
	return protocol.AppendCode(reasons[r].text, reasons[r].code)
}

// reasonOf reads the reason from the text of a failure message. Without a
// code it is a refusal by policy (socks.md §21.2).
func reasonOf(text string) Reason {
	if _, code := protocol.SplitCode(text); code != "" {
		for r, w := range reasons {
			if w.code == code {
				return Reason(r)
			}
		}
	}
	return ReasonDenied
}

// An OpenError says that a stream could not be opened.
type OpenError struct{ Reason Reason }

// Error implements error. It names no host.
func (e *OpenError) Error() string { return "proxy: open stream: " + e.Reason.String() }

// Timeout reports whether waiting longer might have helped.
func (e *OpenError) Timeout() bool {
	return e.Reason == ReasonNoAnswer || e.Reason == ReasonTimeout
}
