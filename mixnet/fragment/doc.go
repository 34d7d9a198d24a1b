// Package fragment cuts messages into pieces that each fill one Sphinx
// payload, and puts them together again (sphinx.md §5.4, §5.5, §5.13).
//
//	message ‖ 01 ‖ 00…
//	   │ Split
//	   ▼
//	set 7  ┌─────────────┬─────────────┬─ ─ ─┬─────────────────┐
//	       │ 1/255       │ 2/255       │     │ 255/255, next 4 │
//	       └─────────────┴─────────────┴─ ─ ─┴─────────────────┘
//	set 4  ┌─────────────┬─────────────┐
//	       │ 1/2, prev 7 │ 2/2         │     one fragment per packet
//	       └─────────────┴─────────────┘
//	   │ Assembler.Insert: any order, duplicates allowed; losses are repaired above us
//	   ▼
//	message
//
// An [Assembler] keeps what arrives under one of our reply keys apart from
// what arrives from anybody: an [Origin] names the conversation, and a fragment
// never completes a set of another origin.
//
// It reads no clock and starts no goroutine: the caller passes the time in and
// decides when half-received sets are looked through. It knows neither what a
// message says nor how a fragment is sealed.
package fragment
