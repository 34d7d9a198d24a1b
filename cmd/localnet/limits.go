package main

import "time"

// Time-outs and bounds, each with its reason.

const (
	// startTimeout is how long a network may take to come up: seconds on any machine
	// that it serves a purpose on.
	startTimeout = time.Minute
	// stopTimeout is how long it may take to end: a mix node waits for the packets it
	// holds, 10 seconds at most.
	stopTimeout = 15 * time.Second
	// maxBytes bounds --bytes: the demo holds them in memory.
	maxBytes = 1 << 30
	// maxMixes bounds --mixes-per-layer: beyond it one machine serves no purpose.
	maxMixes = 50
)

// What the clients of talk say: some fragments, and an answer of as many.
const (
	talkEvery = time.Second
	talkBytes = 5000
	talkSURBs = 20
)
