package boltstore

// Bounds, each with its reason.
const (
	// maxGroup is how many writes share one commit at most: it keeps the one that
	// commits for all waiting no longer than a disk takes anyway.
	maxGroup = 1024
	// maxReplayLog bounds a replay log in bytes. There is room for as many tags as in
	// a node's filter.
	maxReplayLog = 1 << 30
	// maxRecord is how many tags there are in a record of it at most: what a damaged
	// length can make a reader allocate is 32 kB.
	maxRecord = 4096
)
