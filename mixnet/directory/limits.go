package directory

import "time"

// Defaults of a [Schedule]: those of the public network.
const (
	DefaultEpoch    = time.Hour
	DefaultValidity = 24 // epochs that one rotation of Sphinx keys lasts
)

// Sizes in bytes.
const (
	// MaxFile is the largest topology file or document that is read: more than
	// a network of maxNodes needs.
	MaxFile = 16 << 20
	// MaxAnnouncement is the largest signed announcement that is read: several
	// times what a node with all it may have announces.
	MaxAnnouncement = 16 << 10
	// maxSeal is longer than any seal.
	maxSeal = 600
	// maxSavedLine is longer than the first line of what is kept of a snapshot can be.
	maxSavedLine = 2 << 10
	// maxForeignText is how much of another program's words goes to a log.
	maxForeignText = 200
)

// Numbers of things.
const (
	// maxNodes bounds the nodes of one View: a hundred times today's public network.
	maxNodes = 100_000
	// maxAddresses bounds the addresses of one requester: each has a gateway of
	// its own, and a client tries few.
	maxAddresses = 8
	// maxHosts bounds the addresses of one node: of two families, over a few lines.
	maxHosts = 8
	// maxValidity keeps the date arithmetic of Nym's clients from overflowing
	// (nodes.md §4.4: "avoid gigantic validity_epochs").
	maxValidity = 1_000_000
	// MaxLinks bounds the links of one answer: 450 kB.
	MaxLinks = 4096
	// maxPages bounds what is read of a history at once: three months of
	// snapshots that come once a minute, 14 MB.
	maxPages = 32
	// maxKnown bounds the sequence numbers whose documents are remembered: three
	// days of snapshots that come once a minute. The directory shows what is older.
	maxKnown = 4096
	// maxClaims bounds the heads of others that are newer than what we know:
	// there is one a minute at most, and each waits for a minute or two.
	maxClaims = 16
	// maxHidden is how many times in a row documents may have come into force
	// between ours although we asked all the time. A directory that starts anew
	// does it once.
	maxHidden = 32
)

// Times.
const (
	// DefaultRefresh is the mean time between two looks at a directory that does
	// not say when it publishes: an epoch has twelve of them.
	DefaultRefresh = 5 * time.Minute
	// saveEvery is how often a topology that changed is kept for the next life,
	// saveUnchanged how often one that only has a new seal: 4 MB in a large network,
	// and valid for a day.
	saveEvery     = 10 * time.Minute
	saveUnchanged = 2 * time.Hour
	// keptPatience is how long a client that has kept a topology waits for a
	// directory before it starts with that.
	keptPatience = 5 * time.Second
	// clockSkew is how far our clock may be from the directory's: what a machine
	// without a time server drifts in weeks.
	clockSkew = 5 * time.Minute
	// KeepHistory is how long a directory shows every document that it issued,
	// at least: a month, and a day for clocks and leap days.
	KeepHistory = 31 * 24 * time.Hour
	// demandHistory is for how long clients rely on it.
	demandHistory = 30 * 24 * time.Hour
	// requestTimeout bounds one request with its answer: 16 MB over a slow line
	// take as long.
	requestTimeout = 30 * time.Second
	// maxBackoff is how long is waited at most after failures in a row, so that a
	// directory that is back is found within a minute.
	maxBackoff = time.Minute
	// maxLease bounds the lease that a directory may give: who comes back after a
	// day announces itself anyhow.
	maxLease = 24 * time.Hour
	// minPeriod and maxPeriod bound the time between two snapshots: clients could
	// not follow quicker ones, and a day is how long a snapshot is valid.
	minPeriod = time.Second
	maxPeriod = 24 * time.Hour
	// maxEpoch bounds an epoch.
	maxEpoch = 366 * 24 * time.Hour
)
