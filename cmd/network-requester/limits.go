package main

import "time"

// Time-outs and bounds, each with its reason.

// tellEvery is how often the log may tell how many streams were refused: counters
// that change more often could tell who asks (H38). As often targets are written
// down, if they are.
const tellEvery = time.Minute

// Bounds of what is remembered of refused targets, which strangers choose.
const (
	maxKinds   = 32      // reasons and ports that are counted apart between two lines of the log
	maxRefused = 1000    // targets that are written down; beyond it that with the fewest refusals goes
	maxOfFile  = 1 << 20 // bytes of the file they stand in: several times what so many take
)
