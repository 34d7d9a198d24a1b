// Package bench measures the figures that the project has goals for, and holds
// each against a yardstick that is measured in the same run.
//
//	packet.go    ┐            ┌─ slices of 3 ms, in turn, on the thread's CPU clock:
//	relay.go     │            │  product and yardstick alike, medians    (packet)
//	transfer.go  │ []Figure ──┤
//	apart.go     │            └─ whole networks and single nodes over loopback
//	latency.go   │                TCP, on the wall clock and on the CPU time of
//	pacing.go    │                whole processes                      (the rest)
//	footprint.go │
//	stalled.go   │
//	mail.go      │
//	lists.go     │
//	sessions.go  │
//	start.go     │
//	floods.go    ┘
//	                 Run ──▶ []Row ──▶ table, docs/benchmarks.json
//
// A [Figure] is data: a name, a goal, and a function that measures. What several
// figures need, such as one network or the costs of single packets, is measured
// once per run and kept in the [Lab].
//
// The yardstick (yardstick.go) is the shortest code that does the same to the
// same bytes with the fastest single-packet parts there are: circl's X25519, the
// base table of edwards25519, aead/chacha20, BLAKE2b of x/crypto, and crypto/*.
// It checks little, is written for nothing but timing, and no product package
// imports it.
//
// What depends on a second process (a node whose CPU time must not be mixed with
// that of the traffic's source, the memory of an idle network) is done in a child
// that runs this same program; see [Child].
//
// The package judges no code by itself: a goal that is missed is a row that says
// so. Figures move with the machine and with what else runs on it; ratios of CPU
// time move least, wall-clock figures most.
package bench
