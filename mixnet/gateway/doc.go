// Package gateway is a mix node that also serves clients: it gives them a
// stable address, passes on what they send, and keeps what arrives for them
// while they are away (nodes.md §1, §2).
//
//	clients ── WebSocket ─▶ sessionserver.Server ── packet ──▶ mixnode.Node ── links ─▶ layer 1
//	                            ▲                            │
//	                            │ push                       │ final packet
//	                            │                            ▼
//	                         directory ◀─────────────────── delivery ── SURB-ACK ─▶ layer 1
//	                         of sessions                     │
//	                            ▲                            ▼
//	                            └──────── stored mail ───── Inbox
//
// A message goes to the client's session or to the [Inbox], and only then, at a
// commit tick that is the same for both, its SURB-ACK is sent on: that tells
// nobody whether the client was there (H19). What could be neither handed over
// nor stored gets no SURB-ACK, so that its sender tries again.
//
// Clients of before 2025 are served only if Config.AllowLegacy is set; without
// it those that are still registered are nobody.
//
// [Accounts] and [Inbox] are what an operator may want on disk; the ones in
// memory beside them are for tests and networks in one process. The package
// does not meter bandwidth, does not read messages, and logs no client.
package gateway
