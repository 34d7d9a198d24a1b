package endpoint

import (
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"nym-socks5/proxy"
)

// Failures counts streams that could not be opened, by how far they came.
type Failures struct {
	Entry     uint64 // there was no way into the mixnet
	Requester uint64 // the requester did not answer, or could not serve more
	Denied    uint64 // its rules do not allow the target
	Lookup    uint64 // it could not find the target's name
	Target    uint64 // the target did not answer it, or refused
}

// failures counts, and logs a line for a failure: none tells what was the target.
type failures struct {
	log  zerolog.Logger
	pace *rate.Limiter

	mu       sync.Mutex // guards the following
	n        Failures
	unlogged int
}

func newFailures(log zerolog.Logger) *failures {
	return &failures{log: log, pace: rate.NewLimiter(rate.Every(failuresEvery), failuresBurst)}
}

// stage says how far a stream came that could not be opened, and what may help.
func (n *Failures) stage(r proxy.Reason) (count *uint64, stage, hint string) {
	switch r {
	case proxy.ReasonNoNetwork:
		return &n.Entry, "entry", "there is no session with a gateway"
	case proxy.ReasonNoAnswer:
		return &n.Requester, "requester", "the requester does not answer: is its address right, and does it run?"
	case proxy.ReasonLimit:
		return &n.Requester, "requester", "too many streams at a time, here or at the requester"
	case proxy.ReasonInternal:
		return &n.Requester, "requester", "something went wrong at the requester: its log may say what"
	case proxy.ReasonDenied:
		return &n.Denied, "policy", "the requester's rules do not allow the target"
	case proxy.ReasonDNS:
		return &n.Lookup, "lookup", "the requester finds no address for the name"
	case proxy.ReasonRefused:
		return &n.Target, "target", "the target refuses connections at this port"
	case proxy.ReasonTimeout:
		return &n.Target, "target", "the target does not answer the requester"
	}
	return &n.Target, "target", "the requester cannot reach the target"
}

// note counts the outcome of a stream and, unless there were many, logs it.
func (f *failures) note(err error, took time.Duration) {
	var open *proxy.OpenError
	if !errors.As(err, &open) {
		return // it was opened, or the caller gave up
	}
	f.mu.Lock()
	count, stage, hint := f.n.stage(open.Reason)
	*count++
	f.unlogged++
	n := f.unlogged
	said := f.pace.Allow()
	if said {
		f.unlogged = 0
	}
	f.mu.Unlock()
	if !said {
		return
	}
	line := f.log.Info()
	if stage == "entry" || stage == "requester" { // it concerns every target
		line = f.log.Warn()
	}
	line.Str("stage", stage).Int64("took_ms", took.Milliseconds()).Int("streams", n).Str("hint", hint).Msg("a stream could not be opened")
}

func (f *failures) counts() Failures {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}
