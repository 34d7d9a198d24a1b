// Package surb makes what one prepares for others to send back: reply SURBs,
// with which a stranger answers, and SURB-ACKs, which the exit returns as a
// SURB-ACK (sphinx.md §3.11, §5.3, §5.7, §5.9).
//
//	Reply   key (16) ‖ SURB (444)           in a message to the stranger
//	        Mint ──▶ stranger ──▶ one packet, sealed with the key, comes back
//
//	Ack     first hop (19) ‖ packet (386)   in front of every message
//	        Acks.Prepare ──▶ exit, ParseAck ──▶ 21 bytes come back, Acks.Open
//
//	        r (8) ‖ MAC (8) ‖ id (5)        the 21 bytes: only their author reads them
//	        ╰──── IV ─────╯   encrypted
//
// The owner of a reply SURB recognises the answer by the [Digest] of its key.
//
// The package does not keep anything: who was granted which SURB, which keys
// are outstanding, and which fragments await their SURB-ACK is the client's
// business. Nor does it choose routes.
package surb
