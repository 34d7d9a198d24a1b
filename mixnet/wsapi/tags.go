package wsapi

import (
	"container/list"
	"sync"

	"nym-socks5/mixnet"
)

// tags gives each recipient a random sender tag of its own, so that recipients
// that compare notes learn nothing. The one not asked for longest is forgotten
// when there are too many.
type tags struct {
	mu     sync.Mutex
	max    int
	byName map[mixnet.Recipient]*list.Element
	order  list.List // of tagged, the latest in front
}

type tagged struct {
	to  mixnet.Recipient
	tag mixnet.SenderTag
}

func newTags(n int) *tags {
	return &tags{max: n, byName: make(map[mixnet.Recipient]*list.Element)}
}

// of gives the tag under which to speak to a recipient.
func (t *tags) of(to mixnet.Recipient) mixnet.SenderTag {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.byName[to]; ok {
		t.order.MoveToFront(e)
		return e.Value.(tagged).tag
	}
	if t.order.Len() >= t.max {
		oldest := t.order.Back()
		delete(t.byName, oldest.Value.(tagged).to)
		t.order.Remove(oldest)
	}
	fresh := tagged{to, mixnet.NewSenderTag()}
	t.byName[to] = t.order.PushFront(fresh)
	return fresh.tag
}
