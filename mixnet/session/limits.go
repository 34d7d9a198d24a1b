package session

import "time"

// Times.
const (
	// loginPatience is how long a gateway may take for each answer before the
	// session is live: what the reference's clients wait.
	loginPatience = 5 * time.Second
	// silenceAfter is how long a gateway may say nothing before it is asked
	// whether it is there; half to one and a half of it (H05). To each packet it
	// answers, so a client that sends hears of it all the time.
	silenceAfter = 20 * time.Second
	// pingPatience is how long a silent gateway may take to answer a ping.
	pingPatience = 10 * time.Second
	// checkPatience is how long it may take to answer when something happened.
	checkPatience = 5 * time.Second
	// closePatience is how long the far end may take to answer a closing frame.
	closePatience = time.Second
)

// Numbers of messages.
const (
	// controlDepth is how many of our texts may wait to be written; a sender of
	// requests waits, a claim is left out, since the next "send" brings it up again.
	controlDepth = 4
	// pipeDepth is how many messages one direction of a Pipe holds; beyond it the
	// sender waits.
	pipeDepth = 64
)

// Sizes in bytes.
const (
	// claimBelow is the remaining bandwidth below which a client asks for more
	// (nodes.md §1.8).
	claimBelow = 40_000_000
	// firstRead is a little more than a regular frame takes.
	firstRead = 2688
	// unsentBytes is how much of what a client wrote the kernel may hoard: a few
	// regular frames (H02).
	unsentBytes = 8 << 10
)
