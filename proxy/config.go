package proxy

import (
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/proxy/protocol"
)

// A Config says how a Proxy behaves. Its zero value is that of a client with
// the defaults of socks.md §21.
type Config struct {
	// Serve takes in streams of strangers, to be fetched by Accept. If false,
	// what strangers send is dropped unread.
	Serve bool
	// RevealAddress opens streams with our address in the Connect instead of
	// reply SURBs: faster, and the requester learns who we are (socks.md §21.6).
	// Requesters then count as not ours. It excludes Serve.
	RevealAddress bool

	// DialTimeout is how long Dial waits for the outcome. If zero, it is 18 seconds.
	DialTimeout time.Duration
	// IdleLimit is how long a stream lives without any sign of its peer. If zero, it is 300 seconds.
	IdleLimit time.Duration
	// KeepAlive is the longest time between two messages of an open stream. If zero, it is 60 seconds.
	KeepAlive time.Duration
	// HalfCloseQuiet is how long a response must have been silent before a
	// half-close is passed on to a requester that takes it for the end. If zero, it is 20 seconds.
	HalfCloseQuiet time.Duration
	// Coalesce is how long a small write waits for more behind another message. If zero, it is 3 milliseconds.
	Coalesce time.Duration
	// TagLifetime is how long a sender tag is kept after its last use. If zero, it is 10 minutes.
	TagLifetime time.Duration

	// ChunkSize caps the data of one message in bytes. If zero, it is what fills
	// whole packets and fits into 16 KiB, or four of the larger packets.
	ChunkSize int

	// Streams caps the streams at a time. If zero, it is 4096.
	Streams int
	// StreamsPerTag caps the streams a stranger may have open. If zero, it is 256.
	StreamsPerTag int
	// Memory caps the received bytes that wait for applications, over all
	// streams; beyond it the stream that holds most is reset. If zero, it is 256 MiB.
	Memory int64

	// Build goes into the answer to a binary information request.
	Build protocol.BuildInfo
	// Addresses, if set, tells where we are reached, for those answers that go to
	// peers of ours. It must not block.
	Addresses func() []mixnet.Recipient
	// OnGreeting, if set, is told what a requester says of itself under any tag, with
	// the address that Dial and Ask know it by. It must not block.
	OnGreeting func(requester mixnet.Recipient, g Greeting)
	// Answer answers queries. It must not block. If nil, they are answered with an error.
	Answer func(protocol.Query) protocol.Answer

	// Log receives counters and reasons, never who talks to whom. The zero Logger drops everything.
	Log zerolog.Logger
}

func (c Config) withDefaults() Config {
	or(&c.DialTimeout, defaultDialTimeout)
	or(&c.IdleLimit, defaultIdleLimit)
	or(&c.KeepAlive, defaultKeepAlive)
	or(&c.HalfCloseQuiet, defaultHalfCloseQuiet)
	or(&c.Coalesce, defaultCoalesce)
	or(&c.TagLifetime, defaultTagLifetime)
	or(&c.Streams, defaultStreams)
	or(&c.StreamsPerTag, defaultStreamsPerTag)
	or(&c.Memory, defaultMemory)
	if c.Answer == nil {
		c.Answer = func(protocol.Query) protocol.Answer {
			return protocol.Answer{Kind: protocol.AnswerError, Error: "not answered here"}
		}
	}
	return c
}

// or sets *v to its default if it is zero.
func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
