// Package gateway is a mix node that also serves clients: it gives them a
// stable address, passes on what they send, and keeps what arrives for them
// while they are away (nodes.md §1, §2).
//
//	g, err := gateway.New(gateway.Config{
//		Node:     mixnode.Config{Keys: sphinxKeys, Addr: mixAddr, Topology: current},
//		Identity: identity,
//		Accounts: store, Inbox: store, // a *boltstore.Gateway; in memory if nil
//	})
//	err = g.Run(ctx, mixPort, wsPort, gateway.TLS(wssPort, tlsConfig))
//
// Clients' packets go out on the left, messages for clients come in on the right:
//
//	clients ─▶ listener ─▶ sessionserver.Server ─▶ intake ─▶ mixnode.Node ◀─ links ─▶
//	           places,      ▲        ▲              in turn,     │
//	           pace, TLS    │ push   │ mail         a budget     │ final packet
//	                        │        │                           ▼
//	                        │     mailPush ◀─ Inbox ◀──────── deliverer ── SURB-ACK ─▶ layer 1
//	                        └────────────────────────────────────┘
//
// A message goes to the client's session or to the [Inbox], and only then, at a
// commit tick that is the same for both, its SURB-ACK is sent on: that tells
// nobody whether the client was there (H19). What could be neither handed over
// nor stored gets no SURB-ACK, so that its sender tries again. Mail is deleted when
// the client has proven that it got it (H20).
//
// What clients share is shared fairly: sessions pass packets on in turn (the intake,
// H15), boxes have a guaranteed minimum and a fair share of what is left
// ([Limits.Room], H43), places and unused registrations are counted by address (H23).
//
// The session server owns connections and their goroutines, the deliverer what is
// between two ticks, each mailPush the mail of one session. [Accounts] and [Inbox]
// are what an operator may want on disk; the ones in memory beside them are for
// tests and networks in one process. The package does not read messages, and logs
// no client. Clients of before 2025 are served only if Config.AllowLegacy is set;
// without it those that are still registered are unknown.
package gateway
