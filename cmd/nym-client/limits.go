package main

import "time"

// Time-outs and bounds, each with its reason.

// Bounds of names: nobody has more friends, and a file of so many is quickly read.
const (
	maxAliases    = 4096
	maxAliasBytes = 1 << 20
)

// localPatience is how long the target of a listener may take to take a connection:
// less than whoever dials waits.
const localPatience = 10 * time.Second

// answerWithin is how long a broadcaster may take to answer before it is asked again: a
// minute for its node, and the way there and back.
const answerWithin = 90 * time.Second

// statusFirst and statusMost are the times between two questions for a transaction that
// is queued. Whoever asks often shows the broadcaster that it waits.
const (
	statusFirst = 5 * time.Second
	statusMost  = time.Minute
)
