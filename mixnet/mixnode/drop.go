package mixnode

import (
	"errors"
	"fmt"

	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/sphinx"
)

// A DropReason says why a packet went no further.
type DropReason uint8

// The reasons, in the order in which a packet meets them.
const (
	DropInboundFull   DropReason = iota // the queue of its link was full
	DropInboundLayer                    // it came from a node of the wrong layer
	DropExpired                         // no key of its rotation is held
	DropLowOrder                        // its point has low order
	DropMAC                             // its header's MAC is wrong
	DropReplayed                        // it was seen before
	DropReplayFull                      // the replay filter is at its cap: needs the operator
	DropReplayLog                       // its replay tag could not be written to disk: needs the operator
	DropVersion                         // it has a legacy version, and those are off
	DropHeader                          // its routing block makes no sense
	DropPayload                         // final hop: its payload was damaged
	DropFinal                           // final hop at a mix node
	DropForward                         // forward hop at a gateway
	DropUnknownNext                     // its next hop is not in the topology
	DropOutboundLayer                   // its next hop is of the wrong layer
	DropDelayFull                       // the delay wheel is full
	DropDelayQuota                      // its link's share of the delay wheel is full
	DropOutboundFull                    // the queue of its next hop is full
	DropUnreachable                     // its next hop does not answer
	DropShutdown                        // it still had to wait when the node ended
	numReasons
)

var reasonNames = [numReasons]string{
	"inbound full", "inbound layer", "expired", "low order", "mac", "replayed", "replay filter full",
	"replay log", "version", "header", "payload", "final hop", "forward hop", "unknown next hop", "outbound layer",
	"delay full", "delay quota", "outbound full", "unreachable", "shutdown",
}

// String names the reason.
func (r DropReason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("DropReason(%d)", uint8(r))
}

// DropReasons lists all reasons.
func DropReasons() []DropReason {
	all := make([]DropReason, numReasons)
	for i := range all {
		all[i] = DropReason(i)
	}
	return all
}

// Set as a packet's Err between the two phases of unwrapping, and after them.
var (
	errReplayed   = errors.New("mixnode: packet replayed")
	errReplayFull = errors.New("mixnode: replay filter full")
	errUnrecorded = errors.New("mixnode: replay log cannot be written")
	errRetired    = errors.New("mixnode: key retired")
)

// reasonOf translates what unwrapping said of a packet.
func reasonOf(err error) DropReason {
	switch {
	case errors.Is(err, errReplayed):
		return DropReplayed
	case errors.Is(err, errReplayFull):
		return DropReplayFull
	case errors.Is(err, errUnrecorded):
		return DropReplayLog
	case errors.Is(err, errRetired):
		return DropExpired
	case errors.Is(err, sphinx.ErrMAC):
		return DropMAC
	case errors.Is(err, sphinx.ErrLowOrder):
		return DropLowOrder
	case errors.Is(err, sphinx.ErrVersion):
		return DropVersion
	case errors.Is(err, sphinx.ErrPayload):
		return DropPayload
	}
	return DropHeader
}

// reasonNotSent translates what the link pool said of a frame.
func reasonNotSent(err error) DropReason {
	switch err {
	case link.ErrQueueFull:
		return DropOutboundFull
	case link.ErrClosed:
		return DropShutdown
	}
	return DropUnreachable
}
