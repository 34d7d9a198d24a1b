package cli

import "time"

// Time-outs and bounds, each with its reason.

// Sizes of files, in bytes.
const (
	maxSecret = 4096     // a key or a token: more than the longest certificate key takes
	maxReread = 16 << 20 // what a program reads again on HUP: a topology of the largest network
)

// lookEvery is how often files are looked at for changes. What an editor wrote is
// in force within two looks.
const lookEvery = 2 * time.Second

// lookAtRoute is how long it may take to learn the address of a directory by name:
// one question to a resolver, and a second where the first is lost. Without an answer
// a node says that it does not know its own address.
const lookAtRoute = 3 * time.Second

// askWithin is how long a program that runs may take to tell its status: it has it at
// hand.
const askWithin = 5 * time.Second
