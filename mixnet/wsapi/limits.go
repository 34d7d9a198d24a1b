package wsapi

import (
	"time"

	"nym-socks5/mixnet"
)

// Time-outs and bounds, each with its reason.

// Defaults of a Config.
const (
	DefaultMaxPeers     = 64       // programs: many times what one user runs
	DefaultMaxStreams   = 256      // of a program: as many as a browser with a few pages opens
	DefaultKeepMessages = 4096     // while nobody is connected
	DefaultKeepBytes    = 32 << 20 // the same
)

// Before the WebSocket.
const (
	headerPatience = 5 * time.Second // for the header of a request: programs are on this machine
	maxHeader      = 16 << 10
	// waiting is how many connections there may be beyond MaxPeers: those that
	// have not asked yet, or are told why they may not.
	waiting = 32
	// maxConnsPerAddr is how many one address other than this machine's own may
	// have, so that it cannot take all of them.
	maxConnsPerAddr = 32
	stopWithin      = time.Second // for requests under way when the server ends
)

// Requests.
const (
	// maxFrame is the size in bytes of the largest legal request: a message of which
	// JSON writes every byte as \u00XX, and the other members (H35).
	maxFrame = 6*mixnet.MaxMessage + 64<<10
	maxID    = 256 // bytes of JSON of the id of a request
	// maxQueued is how many bytes of requests of one program wait for room in
	// their lanes at most: a hundred of a megabyte fit.
	maxQueued   = 128 << 20
	requestCost = 4 << 10 // what a request counts there beside its message
	// budgetPatience is how long reading stops for a program that has used up
	// maxQueued. Libraries want their pings answered within twenty seconds.
	budgetPatience = time.Second
	// inOrder is how long what follows a send waits for it, so that answers are
	// in order unless the lane is full.
	inOrder = 50 * time.Millisecond
	// maxLanes is how many connection ids of one program have messages on their
	// way at most.
	maxLanes = 1024
	// maxSURBs is how many reply SURBs are attached to one message at most. Who
	// needs more for its answer gets them when they are needed.
	maxSURBs = 500
	// maxTags is how many recipients, and matters of theirs, keep their tag. One
	// forgotten gets a new tag, under which it cannot tell that the sender is the same.
	maxTags      = 2048
	maxIsolation = 64 // bytes of the name of such a matter
	// maxHanded is how many bytes of kept messages a program is given at once.
	maxHanded = 8 << 20
	// maxSubscribed is how many strangers' tags a program subscribes to at most: a
	// stranger's messages are of use while its reply SURBs are kept, and the client
	// keeps those of 4096.
	maxSubscribed = 4096
)

// Streams.
const (
	maxPorts = 64 // at which one program listens at most
	// maxArrivals is how many streams to one port wait at most until the program that
	// listens comes for them; more are refused.
	maxArrivals = 64
	// arrivalPatience is how long a program may take to come for a stream. Who dials
	// waits for 18 seconds.
	arrivalPatience = 15 * time.Second
)

// closePatience is how long a program may take to answer a closing frame.
const closePatience = time.Second
