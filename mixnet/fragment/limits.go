package fragment

import "time"

// Bounds of an Assembler (H14).
const (
	// MaxMessage is the longest message that is put together: a body of
	// 16 MiB and what the message layer puts around it.
	MaxMessage = 16<<20 + 256<<10
	// MaxHalfOpen is how much memory incomplete messages may take in all: four of
	// the longest.
	MaxHalfOpen = 64 << 20
	// MaxUnsolicited is how much of it may belong to messages of no origin.
	MaxUnsolicited = MaxHalfOpen / 2
	// MaxChain is the largest number of sets that a message may consist of: the
	// longest has half as many of packets of the regular size.
	MaxChain = 64
	// Lifetime is how long a set waits for another fragment: longer than its sender
	// sends one again.
	Lifetime = 30 * time.Minute
)

// maxUsed is how many sets one generation of a memory holds: some megabytes, and
// more than are over in the time that their fragments may come again.
const maxUsed = 1 << 16
