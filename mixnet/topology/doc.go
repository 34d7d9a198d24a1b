// Package topology is a snapshot of the network at one moment, and routes
// through it.
//
//	gateway     layer 1     layer 2     layer 3     gateway
//	           ┌ ○ ○ ○ ┐   ┌ ○ ○ ○ ┐   ┌ ○ ○ ○ ┐
//	client ─▶ ○ ─────▶ ● ───▶ ● ─────▶ ● ─────▶ ○ ─▶ recipient
//	           └───────┘   └───────┘   └───────┘
//	               one node of each layer, drawn uniformly
//
// A [Network] never changes: a new snapshot is a new Network, and whoever holds
// the old one keeps a consistent view. The sender's own gateway is no hop of a
// route; it passes the packet on unopened.
//
// The package does not fetch snapshots, keep them fresh or judge who may be in
// them: that is the business of package directory. It reads no clock.
package topology
