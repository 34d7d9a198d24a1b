package endpoint

import (
	"context"
	"sync"

	"nym-socks5/proxy"
)

// An outage tells dials that there is no way into the mixnet: they fail then, at once,
// with [proxy.ReasonNoNetwork], those that wait too.
type outage struct {
	mu   sync.Mutex // guards the following
	over context.Context
	end  context.CancelFunc // there is none; nil: not set up
}

// current ends when there is no way into the mixnet.
func (o *outage) current() context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over == nil {
		o.over, o.end = context.WithCancel(context.Background())
	}
	return o.over
}

// network says whether there is a way.
func (o *outage) network(there bool) {
	o.current()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !there {
		o.end()
		return
	}
	if o.over.Err() != nil {
		o.over, o.end = context.WithCancel(context.Background())
	}
}

// guard calls dial with a context that ends when there is no way into the mixnet; then
// the error says so.
func (o *outage) guard(ctx context.Context, dial func(context.Context) (*proxy.Conn, error)) (*proxy.Conn, error) {
	there := o.current()
	if there.Err() != nil {
		return nil, &proxy.OpenError{Reason: proxy.ReasonNoNetwork}
	}
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(there, cancel)()
	c, err := dial(dialing)
	if err != nil && ctx.Err() == nil && there.Err() != nil {
		return nil, &proxy.OpenError{Reason: proxy.ReasonNoNetwork}
	}
	return c, err
}
