package gateway

import "time"

// Connections of clients (H23).
const (
	// defaultMaxConns is for MaxConns: a session and its buffers take some
	// 20 kB, so that this many fit a machine of 1 GB.
	defaultMaxConns = 8192
	// defaultMaxConnsPerAddr is for MaxConnsPerAddr: a household or office behind
	// one address, yet less than a hundredth of all places.
	defaultMaxConnsPerAddr = 64
	// connsPerCPU is how many connections may come in within a second, for each
	// CPU. The dearest, a registration, costs some hundred microseconds, so a
	// flood takes less than a tenth of the CPUs.
	connsPerCPU = 250
	// upgradePatience is how long a client may take for the handshake of TLS, and
	// how long to ask for its WebSocket (nodes.md §1.1).
	upgradePatience = 1500 * time.Millisecond
	// maxHeader is how many bytes its HTTP request may have: browsers send 2 kB.
	maxHeader = 16 << 10
)

// Sessions.
const (
	// pingPatience is how long an older session of a client has to show that it
	// lives, before a newer one takes its place (nodes.md §1.9).
	pingPatience = time.Second
)

// Packets of clients (H15).
const (
	// defaultPacketRate is for PacketRate: as many packets as one CPU unwraps in
	// a second, which a mix behind us, or two gateways before one mix, can take.
	defaultPacketRate = 16_000
	// budgetSpan is how much of a second's packets may go at once: the ticks of a
	// few thousand clients that fall together.
	budgetSpan = 20 * time.Millisecond
	// budgetTick is how often what waits is looked at while something does.
	budgetTick = time.Millisecond
	// turnBytes is how much of one session goes in its turn: two packets of 2 kB.
	// A session that sends a larger one is passed over as often as that makes even.
	turnBytes = 4 << 10
	// clientQueueBytes is how much of one session may wait: more than a turn, so
	// that its queue is not empty when the turn comes. One larger packet may wait
	// alone.
	clientQueueBytes = 10 << 10
)

// Messages for clients.
const (
	// deliveryQueue is how many deliveries wait at most: those of a tenth of a
	// second at full speed. One more is dropped, so that no worker waits.
	deliveryQueue = 1024
	// commitEvery is the tick at which mail is stored and SURB-ACKs leave: as
	// long as a write to disk takes, short beside the delays of three mixes (H19).
	commitEvery = 2 * time.Millisecond
	// mailBatch is how many stored messages are fetched at once: 200 kB of the
	// regular size, what the queue of a session holds.
	mailBatch = 100
	// pongPatience is how long a client over TLS has to answer for its mail. One
	// that takes longer proves by its next frame that it has it.
	pongPatience = 30 * time.Second
	// defaultMailAge is for MailAge: a client that comes once a day misses nothing.
	defaultMailAge = 24 * time.Hour
	// expireEvery is how often old mail is looked for; it stays as much longer.
	expireEvery = time.Hour
)
