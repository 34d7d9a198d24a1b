// Package protocol is the messages that byte streams through the mixnet are
// made of: what a client asks of a network requester, and what it answers
// (socks.md §3 to §8).
//
//	┌ interface ┬ tag ┬───────────── content ─────────────┐
//	│     3     │  1  │ protocol │ kind │ fields …         │  data: streams and queries
//	│     3     │  0  │ kind │ JSON or nothing             │  control: about the program
//	└───────────┴─────┴───────────────────────────────────┘
//	                  │ kind │ fields …                   │  a legacy response
//	                  │  0   │ kind │ fields …            │  a legacy request
//
// Requests and responses share their bytes but not their meaning, so the
// caller says which it parses: [ParseRequest] or [ParseResponse]. Both read any
// version; what is written has the versions the caller puts in. Data and
// texts of parsed messages alias the input.
//
// A [Note] is our own: our two ends talk to each other behind the kind byte of
// a health message, where every other implementation stops reading.
//
// The package keeps no state, reads no clock and starts no goroutine. It does
// not know what order messages have (package proxy does), nor who may dial
// what (package requester does).
package protocol
