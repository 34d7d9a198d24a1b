package assembly

import "time"

// Time-outs and bounds, each with its reason.

// How long a Doctor waits at each step: together, at the step that fails last, less
// than the 15 seconds a person waits.
const (
	nodesWithin     = 4 * time.Second // three looks at a directory
	gatewayWithin   = 4 * time.Second // a handshake over the slowest line, and a second try
	reachWithin     = time.Second     // to connect to a port
	loopsWithin     = 3 * time.Second // ten times the mean way of a packet
	requesterWithin = 4 * time.Second // there and back, twice
	streamWithin    = 6 * time.Second // with a look-up of a name that is slow
	lookAtStep      = 20 * time.Millisecond
	// enoughLoops is how many packets to ourselves must be on their way for long enough
	// that one of them would have come home.
	enoughLoops = 20
)

// lookAgain is how often a node looks whether the topology has it: it has the
// topology at hand.
const lookAgain = 200 * time.Millisecond
