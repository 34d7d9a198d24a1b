package wsapi

import "nym-socks5/mixnet"

// A Backlog keeps messages for which no program has come yet, up to a number and a
// sum of bytes: when one more does not fit, the oldest go. One goroutine at a time
// uses it.
type Backlog interface {
	// Add keeps a message and says how many were dropped for it. If it fails, the
	// message may be lost.
	Add(mixnet.Message) (dropped int, err error)
	// Take gives all messages for which wants says yes, oldest first, and keeps
	// them no longer. If it fails, what it gives is theirs all the same.
	Take(wants func(mixnet.Message) bool) ([]mixnet.Message, error)
	// Len counts messages and their bytes.
	Len() (messages, bytes int)
}

// A memoryBacklog is a Backlog that ends with the process.
type memoryBacklog struct {
	maxMessages, maxBytes int
	messages              []mixnet.Message
	bytes                 int
}

// NewMemoryBacklog makes an empty one with these bounds.
func NewMemoryBacklog(messages, bytes int) Backlog {
	return &memoryBacklog{maxMessages: messages, maxBytes: bytes}
}

func (b *memoryBacklog) Add(m mixnet.Message) (dropped int, err error) {
	b.messages = append(b.messages, m)
	b.bytes += len(m.Body)
	for len(b.messages) > b.maxMessages || b.bytes > b.maxBytes {
		b.bytes -= len(b.messages[0].Body)
		b.messages[0] = mixnet.Message{}
		b.messages = b.messages[1:]
		dropped++
	}
	return dropped, nil
}

func (b *memoryBacklog) Take(wants func(mixnet.Message) bool) (taken []mixnet.Message, err error) {
	var left []mixnet.Message
	for _, m := range b.messages {
		if wants(m) {
			taken = append(taken, m)
			b.bytes -= len(m.Body)
		} else {
			left = append(left, m)
		}
	}
	b.messages = left
	return taken, nil
}

func (b *memoryBacklog) Len() (messages, bytes int) { return len(b.messages), b.bytes }
