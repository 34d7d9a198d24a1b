// Package service is a broadcaster: it takes requests from the mixnet, hands
// transactions to the nodes of its operator, and answers by reply SURBs.
//
//	s, err := service.New(service.Config{Messenger: e.Messenger(), Store: store, Chains: chains})
//	err = s.Run(ctx)
//
//	Messenger ─▶ receive ─▶ ┌─────────── loop ───────────┐ ─▶ turns of a chain ─▶ few calls at a time ─▶ Node
//	             parse,     │ clients  jobs  room        │                              │
//	             hash       │ one timer                  │ ◀──── what became of it ─────┘
//	          ◀─ answers ── └────────────────────────────┘ ─▶ Store
//
// One loop owns all that is decided. What takes time (a node, a disk) is done beside it,
// by few at once.
//
// # The life of a transaction
//
//	request ──▶ saving ──▶ waiting ──▶ ready ──▶ asking ──▶ has an outcome: recorded, answered
//	            on disk    its delay   its turn  the node
//	                          ▲                    │ no outcome
//	                          └──── a while ───────┘ until RetryFor has passed: unavailable
//
// It is on disk before the node hears of it, and until the node has given its word. So
// a process that dies in between asks again, and a node that has it says so. What a
// node said once is what everybody is told from then on; only a refusal is forgotten
// after a minute, since a transaction may become valid.
//
// # Who gets how much
//
//	clients.go   requests of each sender tag, and of all; newcomers have a share of their own
//	room.go      bytes that wait on disk: a tag may have half of what is left
//	turns.go     places before a node: tags take turns, and where they are full the one with most loses its latest
//	answers.go   answers under way
//
// # What it does not do
//
// It does not know how nodes are spoken with (package chain does), nor whether a
// transaction is valid (nodes do). It logs no transaction, no hash, no tag and no size,
// and writes no tag to disk.
package service
