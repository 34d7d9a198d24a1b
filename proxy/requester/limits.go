package requester

import "time"

// Bounds of an egress. Those in [Config] have their defaults here.
const (
	// maxTarget is the longest target text: a name of 255 bytes, a colon, a port.
	maxTarget = 255 + 6
	// maxAddrs is how many addresses of a name are considered: more than any honest
	// name has that is not a list.
	maxAddrs = 16
	// ownAge is how long the addresses of this host are remembered.
	ownAge = 10 * time.Second

	defaultLookupTimeout = 10 * time.Second // two rounds of questions to a silent server
	defaultAddrTimeout   = 10 * time.Second // socks.md §21.3: "10 s per address, 30 s in all"
	defaultDialTimeout   = 30 * time.Second
	defaultStagger       = 300 * time.Millisecond // RFC 8305 §5: 100 ms to 2 s, "250 ms" if nothing is known
	defaultMaxStreams    = 1024
)
