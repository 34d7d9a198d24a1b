package sessionserver

import "time"

// Times before a client is authenticated (nodes.md §1.1, §1.4.1).
const (
	silencePatience   = 10 * time.Second
	handshakePatience = 5 * time.Second
)

// Times of any connection.
const (
	// answerPatience is how long an answer may take to be written.
	answerPatience = 5 * time.Second
	// writePatience is how long a client may leave no room for what it is sent.
	writePatience = 30 * time.Second
	// pingPatience is how long a silent client may take to answer a keep-alive.
	pingPatience = 10 * time.Second
	// defaultKeepAlive keeps the entries of address translators alive, most of
	// which last five minutes.
	defaultKeepAlive = 2 * time.Minute
)

// Numbers of messages.
const (
	// maxPreliminaries is how many messages a client may send before it
	// registers or authenticates, so that asking for ever keeps no socket.
	maxPreliminaries = 16
	// maxMalformed is how many messages that cannot be read a live session
	// survives. Replays are not counted: a network that repeats frames shall not
	// be able to end the session by it.
	maxMalformed = 8
	// MaxSpent is how many nonces may be spent under one legacy key. Then the
	// client must register anew, which is once in two years if it comes every hour.
	MaxSpent = 1 << 14
)

// Sizes in bytes.
const (
	// defaultQueue is what may wait to be written to one client: a hundred
	// regular messages, or a few of the largest.
	defaultQueue = 256 << 10
	// defaultSealers is the memory for what is known of the frames of clients
	// that are not connected: of 640 with full windows, of 16 000 that sent little.
	defaultSealers = 64 << 20
	// heldBytes is how much is sent in one write at most.
	heldBytes = 64 << 10
	// readBuffer holds a regular frame and a part of the next. There may be
	// thousands of connections that are silent.
	readBuffer = 4 << 10
	// writeBuffer holds what is small, such as pings. Messages are held back
	// below it, and sent in one piece.
	writeBuffer = 512
	// batchKept is how much memory an idle outbox keeps.
	batchKept = 16 << 10
)

// freeBandwidth is what every client is told it has left, in bytes: nothing is
// metered.
const freeBandwidth = 1 << 36
