package wsapi

import (
	"slices"

	"nym-socks5/mixnet"
)

// A Backlog keeps messages for which no program has come yet, up to a number and a
// sum of bytes: when one more does not fit, the oldest go. One goroutine at a time
// uses it.
type Backlog interface {
	// Add keeps a message and says how many were dropped for it. If it fails, the
	// message may be lost.
	Add(mixnet.Message) (dropped int, err error)
	// Take gives messages for which wants says yes, oldest first, until they have
	// most bytes, each with the number by which to drop or return it; more: there
	// may be further ones. None is given twice.
	Take(most int, wants func(mixnet.Message) bool, give func(id uint64, m mixnet.Message)) (more bool, err error)
	// Drop forgets a message that was taken, and Return has it there again.
	Drop(id uint64) error
	Return(id uint64)
	// Len counts messages and their bytes.
	Len() (messages, bytes int)
}

// A memoryBacklog is a Backlog that ends with the process.
type memoryBacklog struct {
	maxMessages, maxBytes int
	kept                  []kept // oldest first
	bytes                 int
	last                  uint64
}

type kept struct {
	mixnet.Message
	id    uint64
	taken bool
}

// NewMemoryBacklog makes an empty one with these bounds.
func NewMemoryBacklog(messages, bytes int) Backlog {
	return &memoryBacklog{maxMessages: messages, maxBytes: bytes}
}

func (b *memoryBacklog) Add(m mixnet.Message) (dropped int, err error) {
	b.last++
	b.kept = append(b.kept, kept{Message: m, id: b.last})
	b.bytes += len(m.Body)
	for len(b.kept) > b.maxMessages || b.bytes > b.maxBytes {
		b.remove(0)
		dropped++
	}
	return dropped, nil
}

func (b *memoryBacklog) remove(i int) {
	b.bytes -= len(b.kept[i].Body)
	b.kept = slices.Delete(b.kept, i, i+1)
}

func (b *memoryBacklog) Take(most int, wants func(mixnet.Message) bool, give func(uint64, mixnet.Message)) (more bool, err error) {
	for i := range b.kept {
		k := &b.kept[i]
		if k.taken || !wants(k.Message) {
			continue
		}
		if most <= 0 {
			return true, nil
		}
		k.taken = true
		most -= len(k.Body) + 1
		give(k.id, k.Message)
	}
	return false, nil
}

func (b *memoryBacklog) find(id uint64) int {
	return slices.IndexFunc(b.kept, func(k kept) bool { return k.id == id })
}

func (b *memoryBacklog) Drop(id uint64) error {
	if i := b.find(id); i >= 0 {
		b.remove(i)
	}
	return nil
}

func (b *memoryBacklog) Return(id uint64) {
	if i := b.find(id); i >= 0 {
		b.kept[i].taken = false
	}
}

func (b *memoryBacklog) Len() (messages, bytes int) { return len(b.kept), b.bytes }
