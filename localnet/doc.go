// Package localnet is a whole mixnet in one process: keys, topology, mix nodes,
// gateways, a requester, and a SOCKS port in front of it all.
//
//	app ─▶ SOCKS ─▶ client ─▶ gateway-1 ─▶ mix-1-* ─▶ mix-2-* ─▶ mix-3-* ─┐
//	                                                                      │
//	target ◀─ requester ◀─ client ◀─ gateway-2 ◀─────────────────────────┘
//
// A [Spec] says how big it is and over which listeners and dialers it runs:
// loopback TCP by default, an in-memory network in tests. Each node can be
// stopped and started again while the rest runs. All are put together from the
// same parts as the separate programs.
//
// The keys are drawn at the start and end with the process, the nodes trust the
// one snapshot of the network they are given, and everything is on one machine:
// this shows that a mixnet works, and hides nothing from anybody.
package localnet
