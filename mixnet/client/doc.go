// Package client sends and receives messages through the mixnet (sphinx.md
// §5, §6). A [Client] is a [mixnet.Messenger].
//
//	Send, Reply ─▶ ┌──────────── loop ────────────┐
//	  (SURBs are   │ lanes     what waits          │    ┌─ main sender ──┐
//	  made by      │ inflight  what may be lost    │─▶──┤  cover sender  ├─▶ session ─▶ gateway
//	  the caller)  │ held      strangers' SURBs    │    └─ seal, tick, ──┘
//	               │ granted   our SURBs, out there│       write
//	Receive ◀──────│ assembly  half messages       │◀────── pushed ◀─────────
//	               └───────────────────────────────┘
//
// The loop owns all that is decided; each decision is a plain struct in a file
// of its own that is told the time. Two senders write to the session: the main
// one sends a packet at every tick of its Poisson process, data if there is
// some and cover if not; the other sends cover only. Each has its next packet
// ready and sealed before the tick, so that at the tick there is only a write
// and nobody can tell the two apart (H01, H02).
//
// A fragment whose SURB-ACK does not come is sent again on another route, for as
// long as somebody may want it.
//
// The package touches no disk: keys are handed in, and whoever wants a stable
// address hands in the same; what a gateway knows the client by is kept in the
// [Store] that is handed in. It does not order messages, does not know
// what they mean, and does not hide from the gateway that its client is online.
package client
