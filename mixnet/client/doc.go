// Package client sends and receives messages through the mixnet (sphinx.md
// §5, §6).
//
//	c, err := client.New(client.Config{Entries: []client.Entry{{Gateway: gateway}}, Topology: topology, Dial: dial})
//	go c.Run(ctx)
//	err = c.Send(ctx, to, []byte("hello"), mixnet.SendOptions{As: tag}) // under a tag it can be answered
//	m, err := c.Receive(ctx)
//
// A [Client] is a [mixnet.Messenger], whose contract says what becomes of a message.
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
// and nobody can tell the two apart (H01, H02). Data that come while cover waits
// take its place until 2 ms before the tick.
//
//	file                    decides
//	lanes.go                what is sent next
//	inflight.go             what was lost, and when it is sent again
//	supply.go, granted.go   how many of our reply SURBs each far end should hold
//	held.go                 whose reply SURBs are kept, which is spent, when to ask for more
//	pacer.go                when a packet leaves
//	demand.go               how often, where that follows what is to be sent
//	entry.go                by which gateway
//	window.go               how many packets are under way to a far end
//	deadmixes.go            around which mixes routes lead
//	monitor.go              whether the network drops our packets
//	limits.go               has all time-outs and bounds, each with its reason
//
// A fragment whose SURB-ACK is overdue is sent again on another route, for as
// long as somebody may want it. Routes lead around mixes that pass nothing on (H27).
//
// The package touches no disk: keys are handed in, and whoever wants a stable
// address hands in the same; what a gateway knows the client by is kept in the
// [Store] that is handed in. It does not order messages, does not know
// what they mean, and does not hide from the gateway that its client is online.
package client
