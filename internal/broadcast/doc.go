// Package broadcast has the words by which a program has transactions broadcast
// through the mixnet: requests and answers in JSON, and the hashes by which
// transactions are known.
//
//	wallet ── Request ─▶ mixnet ─▶ broadcaster ─▶ node of the chain
//	       ◀─ Answer ── reply SURBs ◀── Service ◀─ its reply, verbatim
//
// docs/broadcaster.md describes the form for those who write it in other
// languages. It has a version, which every request and answer names.
//
//	file         what is in it
//	request.go   Request, ParseRequest
//	answer.go    Answer, ParseAnswer
//	kind.go      Kind: what is spoken with a node, and how its transactions are named
//	bitcoin.go   the id of a Bitcoin transaction, without its witness
//	ethereum.go  the hash of an Ethereum transaction, without its blobs
//	monero.go    the hash of a Monero transaction, made of those of its parts
//
// The package opens no connection, keeps nothing and decides nothing: package
// broadcast/service does.
package broadcast
