package protocol

import "errors"

// A Refusal is an error whose text may be told to the client. Other errors
// reach it as "internal error".
type Refusal string

// Error gives the text.
func (r Refusal) Error() string { return string(r) }

var (
	// ErrMalformed reports a message that no conforming peer sends.
	ErrMalformed = errors.New("session: malformed")
	// ErrReplayed reports a frame whose nonce was seen before (H21).
	ErrReplayed = errors.New("session: frame seen before")
	// ErrImpostor reports a gateway that cannot sign for the identity it was
	// looked up under.
	ErrImpostor = errors.New("session: gateway does not hold the identity of the directory")
)

// Refusals of legacy requests.
const (
	// ErrLegacy refuses what is too old to be served, at all or by this gateway.
	ErrLegacy Refusal = "legacy request is not supported"
	// ErrNoProof refuses an undated authentication, whatever is wrong with it: the
	// request is not signed, so anybody could ask with it who is registered here.
	ErrNoProof Refusal = "invalid authentication request"
)
