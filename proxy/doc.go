// Package proxy carries byte streams over a mixnet.Messenger: a client dials a
// target through a network requester, the requester accepts and dials on. Both
// ends hold a [Conn], which is a net.Conn with half-close.
//
//	 app ─ Conn ─ outbox ─▶ 0 1 2 3 …  numbered messages ──▶ inbox ─ Conn ─ target
//	         └─── inbox ◀──────────────────────────────────── outbox ─┘
//	                 └ reorder, window, keep-alives, who closes when ┘
//	────────────────────────────── mixnet.Messenger ──────────────────────────────
//
// Proxy.Run is the one reader of the Messenger. What a stream decides is in the
// struct stream, which has a state, is told the time, and is made of smaller ones
// (inbox, outbox, window, outcome, ending, idleTimer, keepAlive). It says what
// follows: as effects, done at once by whoever changed it, and as steps, taken by
// the one goroutine of the stream, its pump, which sends. The controlQueue sends the
// small messages that nobody may wait for. [Splice] copies between a stream and a
// socket.
//
// Locks are taken in this order, and none is held while something waits:
//
//	Proxy.mu ─▶ Conn.mu        identity.mu ─▶ controlQueue.mu
//
// What a change of a stream makes necessary beyond it is done after Conn.mu was
// released, see Conn.do.
//
// # Whom a message belongs to
//
// A stream is found by sender tag and id together (H13): at the client that is
// the tag whose reply SURB brought the message, at the requester the tag it came
// from. A client keeps nothing of streams it did not open; a
// requester keeps a bounded amount for a bounded time, since data may overtake
// their Connect.
//
// # Peers of ours and of others
//
// The reference tears a stream down when either side closes, and knows no flow
// control. Our own two ends do better, once they know each other:
//
//   - The client asks each requester for its binary information (socks.md §22),
//     once per sender tag. Behind the kind byte, where others stop reading, the
//     request carries a [protocol.Note] that says: I am one of yours. A requester
//     of ours remembers the tag; its answer has a name that tells the client. Any
//     later note says the same. Until it is known, the peer is treated as one of
//     others, which is always safe.
//   - Half-close works and lasts; keep-alives follow a close.
//   - Either side may have 4 MiB of a stream underway that the other application
//     has not read; notes raise the limit. So nobody has to drop data or stop
//     granting SURBs because one application does not read.
//   - An abandoned or aborted stream is known as such at once: a note says that
//     nobody reads any more, or that both directions have ended.
//   - A socket that broke off has its place: a note says behind how many messages.
//     They are delivered first, then the other end's socket is reset.
//
// Towards others the rules of socks.md §21.4 hold: one close, as the last
// number; a client's close is held back while the response flows; and where the
// application does not read, no more reply SURBs are granted. A stream whose
// peer sends on regardless is reset when it holds 8 MiB.
//
// # Streams of Nym's SDK
//
// An [SDK] is the other kind of streams, from client to client (sdk-streams.md): a
// frame of 16 bytes in front of data, numbers, no flow control and no end. It shares
// nothing with a Proxy but a Messenger, and is handed its messages.
//
// # What it does not do
//
// It does not resolve or dial anything, and has no opinion on targets (package
// requester has). It speaks no SOCKS (package socks does). It neither paces nor
// hides messages, nor sends them again: a Messenger does. It logs no target, no
// address, no tag.
package proxy
