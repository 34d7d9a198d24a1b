// Package dirserver is a directory: it takes the announcements of nodes, and
// publishes what clients and nodes know of the network.
//
//	server, err := dirserver.New(dirserver.Config{Network: "example", Key: key, Store: store, Allow: allow})
//	...
//	go server.Run(ctx)
//	err = http.Serve(ln, server)
//
// A snapshot makes every document out of one View, so that lists never
// contradict each other; snapshots are numbered, signed, chained by hash,
// published ahead of time and switched on the clock (hardening rules H24, H25).
//
//	mix, gateway, requester                         client, node
//	      │ signed announcement                         ▲ signed documents
//	      ▼                                             │
//	┌─ Server ──────────────────────────────────────────┴──────┐
//	│ registry ── at each period ──▶ snapshot: View ─▶ all     │◀── Nym's clients and
//	│ (leases, layers)               documents, one sequence   │    nodes: the same View
//	└──────────┬───────────────────────────────────────────────┘    in their JSON
//	           ▼
//	         Store
//
// One loop owns registry and publisher; handlers read what is published, and
// hand announcements to the loop.
//
// The package does not judge who may join (the operator's list does), does not
// measure nodes, knows no chain and no money, and does not listen: its Server
// is an http.Handler, and TLS is the caller's. Whoever asks it is not logged.
package dirserver
