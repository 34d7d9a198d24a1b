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
	// minLinkBits is the length of the shortest prefix that counts as a link: a
	// tunnel that claims half of the internet is none.
	minLinkBits = 8

	defaultLookupTimeout = 10 * time.Second // two rounds of questions to a silent server
	defaultAddrTimeout   = 10 * time.Second // socks.md §21.3: "10 s per address, 30 s in all"
	defaultDialTimeout   = 30 * time.Second
	defaultStagger       = 300 * time.Millisecond // RFC 8305 §5: 100 ms to 2 s, "250 ms" if nothing is known
	defaultMaxStreams    = 8192                   // twice what a Proxy takes in
)

// Bounds of looking up and connecting.
const (
	// resolutionDelay is how long IPv4 waits for the answer about IPv6 (RFC 8305 §3).
	resolutionDelay = 50 * time.Millisecond
	// nameErrorDelay is how long the other family is waited for when one server
	// said that the name does not exist: some say so of names that have only the other.
	nameErrorDelay = 2 * time.Second
	// maxConnecting is how many connects of one request are underway at a time. One
	// request of a few bytes must not become many.
	maxConnecting = 4

	dnsTimeout    = 4 * time.Second // for one answer: two servers are asked within defaultLookupTimeout
	dnsRounds     = 2
	maxDatagram   = 1232     // bytes that pass everywhere in one piece (RFC 9715)
	maxServers    = 3        // as the system's resolver
	maxResolvConf = 64 << 10 // bytes
)
