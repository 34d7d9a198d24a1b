package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy"
)

// The record of the requester that was drawn from those of the directories.
const (
	requesterName    = "requester"
	requesterVersion = 1
)

// ErrNoRequester reports that nobody is there to connect to targets.
var ErrNoRequester = errors.New("endpoint: no requester")

// A requesters is who may connect to targets for an endpoint. One does, until it
// no longer answers; then it is another's turn. Its methods may be called by many
// goroutines.
//
//	named or listed ──draw──▶ at ──two streams in a row without an answer──▶ draw another
type requesters struct {
	named   []mixnet.Recipient // by the Config; none: listed
	network *Network
	store   Store
	log     zerolog.Logger
	changed func()

	mu     sync.Mutex // guards the following
	at     mixnet.Recipient
	since  time.Time
	why    Why
	silent int // streams in a row without an answer
}

// choose draws one of those that are named or, if none is, takes the one of the
// directories that was drawn when the endpoint was new.
func (r *requesters) choose(ctx context.Context) error {
	n, err := r.network.Topology(ctx)
	if err != nil {
		return err
	}
	kept, err := r.load(ctx)
	if err != nil {
		return err
	}
	usable := withGatewayIn(n, r.candidates())
	switch {
	case !kept.IsZero() && len(withGatewayIn(n, []mixnet.Recipient{kept})) > 0:
		r.at = kept // whether or not it is listed just now
	case len(usable) > 0:
		r.at = draw(usable)
	case len(r.named) == 1:
		return fmt.Errorf("%w: its gateway %v is not in the topology; is the address right, and is it one of this network?", ErrNoRequester, r.named[0].Gateway)
	case len(r.named) > 0:
		return fmt.Errorf("%w: the gateways of all %d that are named are not in the topology; are the addresses right, and are they of this network?", ErrNoRequester, len(r.named))
	default:
		return fmt.Errorf("%w: the directories list none; name one, or have one register: it is listed within a minute", ErrNoRequester)
	}
	r.since, r.why = time.Now(), WhyDrawn
	if r.at == kept {
		r.why = WhyKept
	}
	return r.save(ctx, r.at)
}

// withGatewayIn picks the addresses that can be reached in a network.
func withGatewayIn(n *topology.Network, all []mixnet.Recipient) (usable []mixnet.Recipient) {
	for _, a := range all {
		if _, ok := n.Gateway(a.Gateway); ok {
			usable = append(usable, a)
		}
	}
	return usable
}

// candidates lists all there are.
func (r *requesters) candidates() []mixnet.Recipient {
	if len(r.named) > 0 {
		return r.named
	}
	return r.network.Requesters()
}

// load gives the one that was drawn earlier from those of the directories.
func (r *requesters) load(ctx context.Context) (a mixnet.Recipient, err error) {
	if len(r.named) > 0 {
		return a, nil
	}
	text, err := Text(ctx, r.store, requesterName, requesterVersion)
	if err != nil || text == "" {
		return a, err
	}
	if a, err = mixnet.ParseRecipientText(text); err != nil {
		return a, fmt.Errorf("%w: %s: %v", ErrDamaged, requesterName, err)
	}
	return a, nil
}

func (r *requesters) save(ctx context.Context, a mixnet.Recipient) error {
	if len(r.named) > 0 {
		return nil
	}
	return r.store.Save(ctx, requesterName, Record{requesterVersion, []byte(a.String())})
}

// current is who connects now.
func (r *requesters) current() mixnet.Recipient {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// judge notes how one fared.
func (r *requesters) judge(at mixnet.Recipient, err error) {
	var failed *proxy.OpenError
	errors.As(err, &failed)
	answers := err == nil || failed != nil && failed.Reason != proxy.ReasonNoAnswer && failed.Reason != proxy.ReasonNoNetwork
	r.mu.Lock()
	replaced := false
	switch {
	case at != r.at:
	case answers:
		r.silent = 0
	case failed != nil && failed.Reason == proxy.ReasonNoAnswer: // other errors are the caller's
		if r.silent++; r.silent >= silentDials {
			replaced = r.replace()
		}
	}
	next := r.at
	r.mu.Unlock()
	if replaced {
		r.follow(next)
	}
}

// leave has another take the place of one that did not answer, if there is one.
func (r *requesters) leave(at mixnet.Recipient) {
	r.mu.Lock()
	replaced := at == r.at && r.replace()
	next := r.at
	r.mu.Unlock()
	if replaced {
		r.follow(next)
	}
}

// follow tells of a new one.
func (r *requesters) follow(next mixnet.Recipient) {
	r.log.Warn().Msg("the requester does not answer, another takes its place")
	if err := r.save(context.Background(), next); err != nil {
		r.log.Error().Err(err).Msg("the new requester cannot be remembered")
	}
	r.changed()
}

// replace draws another, if there is one. The lock is held.
func (r *requesters) replace() bool {
	r.silent = 0
	others := slices.DeleteFunc(slices.Clone(r.candidates()), func(a mixnet.Recipient) bool { return a == r.at })
	if n := r.network.Current(); n != nil {
		others = withGatewayIn(n, others)
	}
	if len(others) == 0 {
		return false
	}
	r.at, r.since, r.why = draw(others), time.Now(), WhySilent
	return true
}
