package wsapi

import (
	"container/list"
	"sync"

	"nym-socks5/mixnet"
)

// tags gives each recipient a random sender tag of its own, so that recipients
// that compare notes learn nothing, and of one recipient each isolation. The one not
// asked for longest is forgotten when there are too many.
type tags struct {
	mu     sync.Mutex
	max    int
	byName map[audience]*list.Element
	order  list.List // of tagged, the latest in front
}

// An audience is who gets to see a tag, and in what matter.
type audience struct {
	to        mixnet.Recipient
	isolation string
}

type tagged struct {
	audience
	tag mixnet.SenderTag
}

func newTags(n int) *tags {
	return &tags{max: n, byName: make(map[audience]*list.Element)}
}

// of gives the tag under which to speak to a recipient in a matter; empty: in general.
func (t *tags) of(to mixnet.Recipient, isolation string) mixnet.SenderTag {
	who := audience{to, isolation}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.byName[who]; ok {
		t.order.MoveToFront(e)
		return e.Value.(tagged).tag
	}
	if t.order.Len() >= t.max {
		oldest := t.order.Back()
		delete(t.byName, oldest.Value.(tagged).audience)
		t.order.Remove(oldest)
	}
	fresh := tagged{who, mixnet.NewSenderTag()}
	t.byName[who] = t.order.PushFront(fresh)
	return fresh.tag
}
