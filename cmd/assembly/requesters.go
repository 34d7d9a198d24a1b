package assembly

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/proxy"
)

// requesterFile has the requester that was drawn.
const requesterFile = "requester"

// silentDials is how many streams in a row a requester may leave without an
// answer before another takes its place.
const silentDials = 2

// Requesters are who may connect to targets for a client. One does, until it no
// longer answers; then it is another's turn. Its methods may be called by many
// goroutines.
type Requesters struct {
	named []mixnet.Recipient // those of the settings; none: those of the directories
	src   *Source
	state *cli.State
	log   zerolog.Logger

	mu     sync.Mutex // guards the following
	at     mixnet.Recipient
	silent int // streams in a row without an answer
}

// ChooseRequester draws one of the requesters of the settings or, if they name
// none, gives the one of the directories that was drawn when the profile was new.
func ChooseRequester(ctx context.Context, named config.Requesters, s *cli.State, src *Source, log zerolog.Logger) (*Requesters, error) {
	r := &Requesters{src: src, state: s, log: log}
	for _, text := range named.Named() {
		a, err := mixnet.ParseRecipientText(text)
		if err != nil {
			return nil, cli.Invalid("socks.requester: %v", err)
		}
		r.named = append(r.named, a)
	}
	if len(r.named) > 0 {
		var err error
		r.at, err = drawRecipient(r.named)
		return r, err
	}
	if _, err := src.Network(ctx); err != nil { // there is a picture from here on
		return nil, err
	}
	text, err := s.Remember(requesterFile, func() (string, error) {
		all := r.candidates()
		if len(all) == 0 {
			return "", cli.Temporary(errors.New("the directories list no requester now; say --requester ADDRESS, or try again later"))
		}
		a, err := drawRecipient(all)
		return a.String(), err
	})
	if err != nil {
		return nil, err
	}
	if r.at, err = mixnet.ParseRecipientText(text); err != nil {
		return nil, cli.Invalid("%s: %v", s.Path(requesterFile), err)
	}
	return r, nil
}

// candidates lists all there are.
func (r *Requesters) candidates() (all []mixnet.Recipient) {
	if len(r.named) > 0 {
		return r.named
	}
	for _, l := range r.src.Requesters() {
		all = append(all, l.Addresses...)
	}
	return all
}

func drawRecipient(from []mixnet.Recipient) (mixnet.Recipient, error) {
	texts := make([]string, len(from))
	for i, a := range from {
		texts[i] = a.String()
	}
	text, err := draw(texts)
	if err != nil {
		return mixnet.Recipient{}, err
	}
	return mixnet.ParseRecipientText(text)
}

// Current is who connects now.
func (r *Requesters) Current() mixnet.Recipient {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// Dial opens a stream through the one whose turn it is.
func (r *Requesters) Dial(ctx context.Context, p *proxy.Proxy, target string, o proxy.DialOptions) (*proxy.Conn, error) {
	at := r.Current()
	c, err := p.Dial(ctx, at, target, o)
	r.judge(at, err)
	return c, err
}

// judge notes how one fared.
func (r *Requesters) judge(at mixnet.Recipient, err error) {
	var failed *proxy.OpenError
	answers := err == nil || errors.As(err, &failed) && failed.Reason != proxy.ReasonNoAnswer
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case at != r.at:
	case answers:
		r.silent = 0
	case failed != nil: // other errors are the caller's
		if r.silent++; r.silent >= silentDials {
			r.replace()
		}
	}
}

// replace draws another, if there is one.
func (r *Requesters) replace() {
	r.silent = 0
	others := slices.DeleteFunc(slices.Clone(r.candidates()), func(a mixnet.Recipient) bool { return a == r.at })
	if len(others) == 0 {
		return
	}
	next, err := drawRecipient(others)
	if err != nil {
		return
	}
	r.at = next
	r.log.Warn().Msg("the requester does not answer, another takes its place")
	if len(r.named) > 0 {
		return
	}
	if err := r.state.WriteText(requesterFile, next.String()); err != nil {
		r.log.Error().Err(err).Msg("the new requester cannot be remembered")
	}
}
