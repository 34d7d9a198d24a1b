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
	// replaceEvery is how often a session that lives may give way to a newer one of
	// its client: Nym's clients try to come back for 50 seconds, and shall give up
	// rather than drive out, and be driven out by, a second program with their key.
	replaceEvery = time.Minute
)

// Registrations.
const (
	// defaultClients is for Limits.Clients: what a gateway of ten thousand
	// sessions meets in years; 100 MB on disk.
	defaultClients = 1 << 20
	// maxUnproved bounds the clients that registered since the gateway began and
	// have not sent a sealed frame, in all and of one address. Honest clients send
	// one within seconds; as many as these come in half a minute at least (see
	// connsPerCPU).
	maxUnproved        = 1 << 14
	maxUnprovedPerAddr = 64
	// unusedAge is how long a registration is kept that is never used: a client that
	// goes down as it registers has a day to come back.
	unusedAge = 24 * time.Hour
	// absentAge is how long a client is kept that does not come: half a year. It
	// may register again under the same identity.
	absentAge = 180 * 24 * time.Hour
	// proveEvery is how often it is noted that a client is in use.
	proveEvery = 24 * time.Hour
	// proofQueue is how many such notes may wait for the disk. One more is made
	// with the client's next frame.
	proofQueue = 1024
)

// Mail that is kept (see [Limits.Room]).
const (
	// defaultClientBytes is for Limits.ClientBytes: seven thousand packets of 2 kB.
	defaultClientBytes = 16 << 20
	// defaultTotalBytes is for Limits.TotalBytes: what the disk of a small machine
	// can spare.
	defaultTotalBytes = 1 << 30
	// unprovedShare is the part of it for all clients together that never sent a
	// sealed frame: enough for those that are just beginning.
	unprovedShare = 16
	// guaranteedBytes is what every other client may have, for fifteen thousand of
	// them at a time with the default limits: a message of a dozen packets.
	guaranteedBytes = 32 << 10
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
