package broadcast

import (
	"encoding/base64"
	"errors"
	"time"
	"unicode/utf8"
)

// A Result is what an answer says.
type Result string

// The results.
const (
	Accepted    Result = "accepted"    // the node took the transaction now, or did so when it was first asked
	Known       Result = "known"       // the node had it already
	Acceptable  Result = "acceptable"  // the node would take it: to Check
	Refused     Result = "refused"     // the node refuses it, and says why
	Queued      Result = "queued"      // it is kept, and broadcast later: ask for its Status
	Denied      Result = "denied"      // this broadcaster does not serve that chain, or that operation on it
	Limited     Result = "limited"     // too much at once: try again, After that time
	Unavailable Result = "unavailable" // the node was asked in vain, and nothing is kept: try again later
	Unknown     Result = "unknown"     // nobody knows of such a transaction: to Status
	Invalid     Result = "invalid"     // the request makes no sense
	Served      Result = "info"        // to Info
)

// Bounds of an Answer.
const (
	MaxReply  = 64 << 10 // bytes of a node's reply; what is longer is cut
	MaxReason = 1 << 10  // bytes
	MaxAnswer = 1 << 20  // bytes of an answer
	MaxChains = 256
)

// An Answer is what a broadcaster says to a Request. In JSON:
//
//	{"broadcast":1,"id":"7","result":"accepted","chain":"bitcoin","hash":"d5f2…",
//	 "reply":"{\"result\":\"d5f2…\",\"error\":null,\"id\":1}","at":"2026-05-16T06:27:52Z"}
//
// A reply that is no text is in base64, and has "encoding":"base64" beside it.
type Answer struct {
	ID     string // of the request
	Result Result
	Chain  string
	Kind   Kind   // of the chain, if it is served; says how Hash is written
	Hash   Hash   // of the transaction; zero: none is known
	Reply  []byte // what the node said to the broadcast, as it said it
	Cut    bool   // Reply is only the beginning
	// At is when it said that, to the second; zero: it did not.
	At time.Time
	// Receipt is what the node says of the transaction now, as it says it.
	Receipt []byte
	// Confirmed reports whether it says that a block has it. With a Receipt.
	Confirmed bool
	// After is when to try again, in whole seconds; zero: it is not said.
	After  time.Duration
	Reason string // for people
	Info   *Service
}

// A Service says what a broadcaster does for whom.
type Service struct {
	Chains []Chain
	Delay  time.Duration // mean of the random time it waits, unless a request says another
	MaxTx  int           // bytes
}

// A Chain is one that is served.
type Chain struct {
	Name   string `json:"chain"`
	Kind   Kind   `json:"kind"`
	Number uint64 `json:"number,omitempty"` // by which Ethereum's chains are told apart (EIP-155)
	Checks bool   `json:"check,omitempty"`  // takes Check
}

// wireAnswer is the JSON form.
type wireAnswer struct {
	Version   int     `json:"broadcast"`
	ID        string  `json:"id,omitempty"`
	Result    Result  `json:"result"`
	Chain     string  `json:"chain,omitempty"`
	Kind      Kind    `json:"kind,omitempty"`
	Hash      string  `json:"hash,omitempty"`
	Reply     string  `json:"reply,omitempty"`
	Encoding  string  `json:"encoding,omitempty"`
	Cut       bool    `json:"cut,omitempty"`
	At        string  `json:"at,omitempty"`
	Receipt   string  `json:"receipt,omitempty"`
	Confirmed *bool   `json:"confirmed,omitempty"`
	After     int64   `json:"after,omitempty"` // seconds
	Reason    string  `json:"reason,omitempty"`
	Chains    []Chain `json:"chains,omitempty"`
	Delay     int64   `json:"delay,omitempty"` // seconds
	MaxTx     int     `json:"maxTx,omitempty"` // bytes
}

// Done reports whether the broadcaster has an outcome that stays: asking again
// changes nothing.
func (a *Answer) Done() bool { return a.Result == Accepted || a.Result == Known }

// AppendBinary implements [encoding.BinaryAppender]. A reply that is too long is
// cut, and one that is no text is written in base64. A receipt that is too long or
// no text is left out.
func (a Answer) AppendBinary(b []byte) ([]byte, error) {
	w := wireAnswer{
		Version: Version, ID: a.ID, Result: a.Result, Chain: a.Chain, Kind: a.Kind, Cut: a.Cut,
		After: int64(a.After / time.Second), Reason: a.Reason,
	}
	if a.Hash != (Hash{}) {
		w.Hash = a.Kind.Text(a.Hash)
	}
	reply := a.Reply
	if len(reply) > MaxReply {
		reply, w.Cut = reply[:MaxReply], true
	}
	w.Reply = string(reply)
	if !utf8.Valid(reply) {
		w.Reply, w.Encoding = base64.StdEncoding.EncodeToString(reply), "base64"
	}
	if !a.At.IsZero() {
		w.At = a.At.UTC().Format(time.RFC3339)
	}
	if len(a.Receipt) > 0 && len(a.Receipt) <= MaxReply && utf8.Valid(a.Receipt) {
		w.Receipt, w.Confirmed = string(a.Receipt), &a.Confirmed
	}
	if a.Info != nil {
		w.Chains, w.Delay, w.MaxTx = a.Info.Chains, int64(a.Info.Delay/time.Second), a.Info.MaxTx
	}
	return appendJSON(b, w)
}

// ParseAnswer parses exactly one answer. Members that it does not know are ignored,
// and results that it does not know are left to the caller. Its errors wrap
// [ErrMalformed] or [ErrVersion].
func ParseAnswer(b []byte) (a Answer, err error) {
	if len(b) > MaxAnswer {
		return a, malformed("an answer of %d bytes, the most are %d", len(b), MaxAnswer)
	}
	m, err := parseMembers(b)
	if err != nil {
		return a, err
	}
	var w wireAnswer
	err = errors.Join(
		m.read("id", &w.ID), m.read("result", &w.Result), m.read("chain", &w.Chain), m.read("kind", &w.Kind),
		m.read("hash", &w.Hash), m.read("reply", &w.Reply), m.read("encoding", &w.Encoding), m.read("cut", &w.Cut),
		m.read("at", &w.At), m.read("receipt", &w.Receipt), m.read("confirmed", &w.Confirmed), m.read("after", &w.After),
		m.read("reason", &w.Reason), m.read("chains", &w.Chains), m.read("delay", &w.Delay), m.read("maxTx", &w.MaxTx),
	)
	if err != nil {
		return a, first(err)
	}
	const most = int64(MaxDelay / time.Second)
	switch {
	case w.Result == "":
		return a, malformed("there is no result")
	case len(w.ID) > MaxID, len(w.Reason) > MaxReason, len(w.Chain) > MaxChain, len(w.Chains) > MaxChains:
		return a, malformed("one of id, reason, chain and chains is too long")
	case w.After < 0 || w.After > most || w.Delay < 0 || w.Delay > most || w.MaxTx < 0 || w.MaxTx > MaxTx:
		return a, malformed("one of after, delay and maxTx is out of range")
	}
	a = Answer{
		ID: w.ID, Result: w.Result, Chain: w.Chain, Kind: w.Kind, Cut: w.Cut, Reply: []byte(w.Reply),
		Receipt: []byte(w.Receipt), After: time.Duration(w.After) * time.Second, Reason: w.Reason,
	}
	switch w.Encoding {
	case "":
	case "base64":
		if a.Reply, err = base64.StdEncoding.Strict().DecodeString(w.Reply); err != nil {
			return a, malformed("the reply is not base64")
		}
	default:
		return a, malformed("the encoding is not known")
	}
	if len(a.Reply) > MaxReply || len(a.Receipt) > MaxReply {
		return a, malformed("a reply is longer than %d bytes", MaxReply)
	}
	if w.Hash != "" {
		if a.Hash, err = ParseHash(w.Hash); err != nil {
			return a, err
		}
	}
	if w.At != "" {
		a.At, err = time.Parse(time.RFC3339, w.At)
		if a.At = a.At.UTC(); err != nil || a.At.Year() < 1 || a.At.Year() > 9999 {
			return a, malformed("at is no time")
		}
	}
	a.Confirmed = w.Confirmed != nil && *w.Confirmed
	if len(w.Chains) > 0 || w.MaxTx > 0 {
		a.Info = &Service{Chains: w.Chains, Delay: time.Duration(w.Delay) * time.Second, MaxTx: w.MaxTx}
	}
	return a, nil
}
