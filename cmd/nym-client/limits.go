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
