package chain

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"

	"nym-socks5/internal/broadcast"
)

// post hands the bytes over as they are. The header Idempotency-Key has their
// SHA-256, so that whoever takes them can tell when they come again.
type post struct{ n *Node }

// notAboutIt are statuses by which a server says something of itself, and not of what
// was posted.
var notAboutIt = []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}

func (p *post) send(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error) {
	mediaType := p.n.spec.Type
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	r, err := p.n.post(ctx, "", mediaType, tx, http.Header{"Idempotency-Key": {hex.EncodeToString(h[:])}})
	switch {
	case err != nil:
		return Outcome{}, err
	case r.status >= 200 && r.status < 300:
		return Outcome{broadcast.Accepted, r.body}, nil
	case r.status >= 400 && r.status < 500 && !slices.Contains(notAboutIt, r.status):
		return Outcome{broadcast.Refused, r.body}, nil
	}
	return Outcome{}, fail(statusClass(r.status), errors.New("no answer"))
}

func (p *post) check(context.Context, []byte, broadcast.Hash) (Outcome, error) {
	return Outcome{}, errCannot
}

func (p *post) look(context.Context, broadcast.Hash) (Sight, error) { return Sight{}, errCannot }
