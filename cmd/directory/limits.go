package main

import "time"

// Time-outs and bounds, each with its reason.

const (
	// exportWithin is how long export waits for the directory: it prepares answers
	// for some seconds after its start.
	exportWithin = 15 * time.Second
	// probeEvery is how often is looked whether a link to a node stands: less than a
	// handshake takes over any distance.
	probeEvery = 10 * time.Millisecond
)
