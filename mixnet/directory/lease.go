package directory

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Lease is what a directory answers to an announcement that it takes
// (nodes.md §4.11).
type Lease struct {
	Length time.Duration // how long the node stays without another announcement
	Layer  uint8         // of a mix node, 1 to 3; 0 for others
	Head   Head          // the newest that the directory states
}

type leaseJSON struct {
	Seconds float64 `json:"lease_seconds"`
	Layer   uint8   `json:"layer,omitempty"`
	Head    Head    `json:"head"`
}

// MarshalJSON gives the form of nodes.md §4.11.
func (l Lease) MarshalJSON() ([]byte, error) {
	return json.Marshal(leaseJSON{l.Length.Seconds(), l.Layer, l.Head})
}

// UnmarshalJSON reads that form. It checks no signature.
func (l *Lease) UnmarshalJSON(b []byte) error {
	var j leaseJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("%w: lease: %v", ErrMalformed, err)
	}
	if !(j.Seconds >= 1 && j.Seconds <= maxLease.Seconds()) || j.Layer > 3 {
		return fmt.Errorf("%w: lease", ErrMalformed)
	}
	*l = Lease{time.Duration(j.Seconds * float64(time.Second)), j.Layer, j.Head}
	return nil
}

// A Refusal is the body of every answer that is an error: it says why a
// directory did not take an announcement, or has no document. Its Code is for
// programs, its Message for people.
type Refusal struct {
	Code    string
	Message string
	// Sequence is the last one accepted from the identity, where the refused
	// one was not greater.
	Sequence uint64
}

// The codes of refusals.
const (
	CodeMalformed   = "malformed"   // or not signed by its identity
	CodeNetwork     = "network"     // of another network
	CodeNotListed   = "not-listed"  // the operator does not list the identity in this role
	CodeInvite      = "invite"      // the invitation is not known, over, used up, or for another role
	CodeClock       = "clock"       // issued too far from the directory's time
	CodeSequence    = "sequence"    // not greater than the one before
	CodeTaken       = "taken"       // another node has the address or identity
	CodeUnreachable = "unreachable" // nobody answers there with the announced Noise key
	CodeBusy        = "busy"        // too many requests, or the directory cannot store it
	CodeNotFound    = "not-found"   // there is no such document, or not yet
)

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("directory: announcement refused (%s): %s", r.Code, r.Message)
}

type refusalJSON struct {
	Error struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Sequence uint64 `json:"sequence,omitempty"`
	} `json:"error"`
}

// MarshalJSON gives the form of nodes.md §4.11.
func (r Refusal) MarshalJSON() ([]byte, error) {
	var j refusalJSON
	j.Error.Code, j.Error.Message, j.Error.Sequence = r.Code, r.Message, r.Sequence
	return json.Marshal(j)
}

// UnmarshalJSON reads that form. What it reads is fit for a log.
func (r *Refusal) UnmarshalJSON(b []byte) error {
	var j refusalJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("%w: refusal: %v", ErrMalformed, err)
	}
	if j.Error.Code == "" {
		return fmt.Errorf("%w: refusal without a code", ErrMalformed)
	}
	*r = Refusal{printable(j.Error.Code), printable(j.Error.Message), j.Error.Sequence}
	return nil
}

// printable keeps what another program wrote fit for a log.
func printable(s string) string {
	b := []byte(s[:min(len(s), maxForeignText)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
