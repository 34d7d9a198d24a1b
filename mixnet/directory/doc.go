// Package directory is how the parts of a network find each other: the server
// that lists them, the client that fetches a picture of the network, and the
// announcer that keeps a node on the list (nodes.md §4).
//
//	mix, gateway, requester                         client, node
//	      │ Announcer                                   ▲ Client
//	      │ signed, every half lease                    │ verified against the pinned key
//	      ▼                                             │
//	┌─ Server ──────────────────────────────────────────┴──────┐
//	│ registry ── at each period ──▶ snapshot: View ─▶ all     │◀── Nym's clients and
//	│ (leases, layers)               documents, one sequence   │    nodes: the same View
//	└──────────┬───────────────────────────────────────────────┘    in their JSON
//	           ▼
//	         Store
//
// A [View] is the network at one moment. A snapshot makes every document out of
// one View, so that lists never contradict each other; snapshots are numbered,
// signed, chained by hash, published ahead of time and switched on the clock
// (hardening rules H24, H25). A [Schedule] numbers epochs and rotations of
// Sphinx keys, and a [Keyring] keeps a node's keys in step with it.
//
// A [Client] without a pinned key reads what any Nym directory serves, and a
// [View] is read from and written to the topology files of Nym's programs, so
// no directory of ours is needed to take part in a network.
//
// The package does not judge who may join (the operator's list does), does not
// measure nodes, knows no chain and no money, and does not listen: its Server
// is an http.Handler, and TLS is the caller's. Whoever asks it is not logged.
package directory
