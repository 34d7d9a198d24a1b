package broadcast

import (
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Version is that of requests and answers.
const Version = 1

// Bounds of a Request.
const (
	MaxTx      = 4 << 20        // bytes of a transaction; services take less
	MaxID      = 64             // bytes of an id
	MaxChain   = 32             // letters of the name of a chain
	MaxDelay   = 24 * time.Hour // mean of the random delay
	MaxRequest = 2*MaxTx + 4096 // bytes of a request
)

// ErrVersion reports a request or answer of another version.
var ErrVersion = errors.New("broadcast: not of a version that is known here")

// An Op is what a request is for.
type Op string

// The operations.
const (
	// Broadcast has a transaction broadcast. It may be asked for again: the
	// transaction is broadcast once.
	Broadcast Op = "broadcast"
	// Check asks the node whether it would take a transaction, and broadcasts
	// nothing. Not every kind of node can tell.
	Check Op = "check"
	// Status asks what became of a transaction.
	Status Op = "status"
	// Info asks which chains are served, and what is taken.
	Info Op = "info"
)

// A Request is what a program asks of a broadcaster. In JSON:
//
//	{"broadcast":1,"id":"7","do":"broadcast","chain":"bitcoin","tx":"0200…","delay":600}
//	{"broadcast":1,"id":"8","do":"check","chain":"bitcoin","tx":"0200…"}
//	{"broadcast":1,"id":"9","do":"status","chain":"bitcoin","hash":"d5f2…","receipt":true}
//	{"broadcast":1,"id":"10","do":"info"}
//
// It is sent as a message that can be answered.
type Request struct {
	ID    string // comes back in the answer; may be empty
	Do    Op
	Chain string // what the operator calls it; all but Info
	Tx    []byte // Broadcast and Check
	// Delay is the mean of the random time that the broadcaster waits; zero has it
	// not wait. If nil, the broadcaster's own mean counts. Broadcast only.
	Delay *time.Duration
	Hash  Hash // Status only
	// Receipt asks the node too, and not the broadcaster's record alone. Status only.
	Receipt bool
}

// wireRequest is the JSON form.
type wireRequest struct {
	Version int    `json:"broadcast"`
	ID      string `json:"id,omitempty"`
	Do      Op     `json:"do"`
	Chain   string `json:"chain,omitempty"`
	Tx      string `json:"tx,omitempty"`
	Delay   *int64 `json:"delay,omitempty"` // seconds
	Hash    string `json:"hash,omitempty"`
	Receipt bool   `json:"receipt,omitempty"`
}

var chainForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// ValidChain reports whether a chain may be called so: up to [MaxChain] of a-z, 0-9
// and hyphens, not a hyphen first.
func ValidChain(name string) bool { return len(name) <= MaxChain && chainForm.MatchString(name) }

// AppendBinary implements [encoding.BinaryAppender]. Its errors wrap [ErrMalformed]:
// what it writes, ParseRequest reads.
func (r Request) AppendBinary(b []byte) ([]byte, error) {
	if err := r.check(); err != nil {
		return b, err
	}
	w := wireRequest{Version: Version, ID: r.ID, Do: r.Do, Chain: r.Chain, Tx: hex.EncodeToString(r.Tx), Receipt: r.Receipt}
	if r.Delay != nil {
		seconds := int64(*r.Delay / time.Second)
		w.Delay = &seconds
	}
	if r.Do == Status {
		w.Hash = hex.EncodeToString(r.Hash[:])
	}
	return appendJSON(b, w)
}

// ParseRequest parses exactly one request. Members that it does not know are
// ignored. Its errors wrap [ErrMalformed] or [ErrVersion], and their text is for
// who asked; the request then still has its id, if that could be read.
func ParseRequest(b []byte) (r Request, err error) {
	if len(b) > MaxRequest {
		return r, malformed("a request of %d bytes, the most are %d", len(b), MaxRequest)
	}
	m, err := parseMembers(b)
	r.ID = m.id()
	if err != nil {
		return r, err
	}
	var w wireRequest
	err = errors.Join(
		m.read("id", &w.ID), m.read("do", &w.Do), m.read("chain", &w.Chain), m.read("tx", &w.Tx),
		m.read("delay", &w.Delay), m.read("hash", &w.Hash), m.read("receipt", &w.Receipt),
	)
	if err != nil {
		return r, first(err)
	}
	r.ID, r.Do, r.Chain, r.Receipt = w.ID, w.Do, w.Chain, w.Receipt
	if r.Tx, err = hex.DecodeString(strings.TrimPrefix(w.Tx, "0x")); err != nil {
		return r, malformed("tx is not hexadecimal")
	}
	if len(r.Tx) == 0 {
		r.Tx = nil
	}
	if w.Delay != nil {
		if *w.Delay < 0 || *w.Delay > int64(MaxDelay/time.Second) {
			return r, malformed("delay is %d; it can be 0 to %d seconds", *w.Delay, int64(MaxDelay/time.Second))
		}
		r.Delay = new(time.Duration(*w.Delay) * time.Second)
	}
	if w.Hash != "" {
		if r.Hash, err = ParseHash(w.Hash); err != nil {
			return r, err
		}
	} else if r.Do == Status {
		return r, malformed("there is no hash")
	}
	if err = r.check(); err != nil {
		r.ID = m.id()
	}
	return r, err
}

// check reports a request that says too little or too much.
func (r *Request) check() error {
	switch r.Do {
	case Broadcast, Check, Status, Info:
	case "":
		return malformed("there is no do: say broadcast, check, status or info")
	default:
		return malformed("do is none of broadcast, check, status and info")
	}
	carries := r.Do == Broadcast || r.Do == Check
	switch {
	case len(r.ID) > MaxID || !utf8.ValidString(r.ID):
		return malformed("the id is longer than %d bytes, or no text", MaxID)
	case r.Do != Info && !ValidChain(r.Chain):
		return malformed("there is no chain of such a name: it has up to %d of a-z, 0-9 and hyphens", MaxChain)
	case r.Do == Info && r.Chain != "":
		return malformed("info is about all chains: leave chain out")
	case carries && len(r.Tx) == 0:
		return malformed("there is no tx")
	case !carries && len(r.Tx) > 0:
		return malformed("tx is for broadcast and check")
	case len(r.Tx) > MaxTx:
		return malformed("a transaction of %d bytes, the most are %d", len(r.Tx), MaxTx)
	case r.Delay != nil && (r.Do != Broadcast || *r.Delay < 0 || *r.Delay > MaxDelay || *r.Delay%time.Second != 0):
		return malformed("delay is for broadcast, and 0 to %d whole seconds", int64(MaxDelay/time.Second))
	case r.Do != Status && r.Hash != Hash{}:
		return malformed("hash is for status")
	case r.Do != Status && r.Receipt:
		return malformed("receipt is for status")
	}
	return nil
}
