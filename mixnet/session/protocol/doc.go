// Package protocol has the bytes that a client and its gateway say to each
// other (nodes.md §1): texts, sealed frames, and what a registration and an
// authentication are made of, as both ends make and read them.
//
//	text frames: JSON      Text, SealedRequest, SealedResponse
//	binary frames          Sealer (LegacySealer)
//	registration           Registration ◀─▶ Opening (LegacyOpening)
//	authentication         Authenticate (Undated)
//
// A [Sealer] holds what belongs to one session key and must survive the
// connection: which nonces were seen (H21). What clients of before 2025 need
// beside the current protocol is in the files legacy_*.go; a gateway asks for it
// by name, and a client of ours speaks none of it.
//
// Nothing here opens a connection, reads the clock or starts a goroutine: the
// packages session and sessionserver do, one for each end.
package protocol
