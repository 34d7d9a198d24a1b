package ops

import "time"

// Time-outs and bounds, each with its reason.
const (
	// countEvery is how often counters are read: what changes more often could tell
	// who asks for what (H38).
	countEvery = time.Minute
	// maxConns bounds connections: a scraper, a few people, and a probe each second.
	maxConns = 32
	// headersWithin is how long a request may take to be made; those who may ask are on
	// this machine.
	headersWithin = 5 * time.Second
	answerWithin  = 10 * time.Second // an answer is some kilobytes
	idleWithin    = time.Minute      // Prometheus asks every 15 seconds
	maxHeader     = 8 << 10          // bytes: more than any scraper sends
	// maxSocketPath is the length of the longest path of a Unix socket, in bytes: what
	// every system takes.
	maxSocketPath = 100
	// maxStatus is the size of the longest status that Ask takes, in bytes.
	maxStatus = 1 << 20
)
