package wsapi

import "nym-socks5/mixnet"

// A backlog keeps messages, up to a number and a sum of bytes. When one more does
// not fit, the oldest go.
type backlog struct {
	maxMessages, maxBytes int
	messages              []mixnet.Message
	bytes                 int
}

// add keeps a message and says how many were dropped for it.
func (b *backlog) add(m mixnet.Message) (dropped int) {
	b.messages = append(b.messages, m)
	b.bytes += len(m.Body)
	for len(b.messages) > b.maxMessages || b.bytes > b.maxBytes {
		b.bytes -= len(b.messages[0].Body)
		b.messages[0] = mixnet.Message{}
		b.messages = b.messages[1:]
		dropped++
	}
	return dropped
}

// clear gives all messages, oldest first, and keeps none.
func (b *backlog) clear() []mixnet.Message {
	all := b.messages
	b.messages, b.bytes = nil, 0
	return all
}
