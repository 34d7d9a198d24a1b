package session

import "time"

// Bounds of a WebSocket in a page.
const (
	// unsentPoll is how often a page looks whether the browser has sent what it
	// was given: there is no event for it.
	unsentPoll = 5 * time.Millisecond
	// maxUnsent is how many bytes the browser may hold unsent: as many as a kernel.
	maxUnsent = unsentBytes
	// maxArrived bounds what a page has not read yet: 250 of the largest packets,
	// many times what arrives while the page is busy. A gateway that sends more
	// loses the connection.
	maxArrived = 8 << 20
)
