// Package session is the protocol between a client and its gateway, both ends.
//
//	         client                                   gateway
//	Register      ── handshake ──────────────────▶  Accounts.Admit, Register
//	Authenticate  ── signed, dated request ──────▶  Accounts.Lookup, Traffic.Claim
//
//	Client.Send   ── sealed frame: next hop, packet ──▶  Traffic.Fresh, Packet
//	              ◀── "send": one per packet ──────────
//	Receive       ◀── sealed frame: message or ack ────  Session.Deliver
//
//	        text frames: JSON      binary frames: Sealer (LegacySealer)
//	───────────────────────── MessageConn ─────────────────────────────
//	         WebSocket (native, browser)      Pipe (in memory)
//
// A [Server] takes the messages of one connection after the other through the
// states of nodes.md §1.11; what an identity may do is decided by the two
// interfaces it is given. A [Sealer] holds what belongs to one session key and
// must survive the connection: which nonces were seen (H21). A [Session] is the
// gateway's end of a live connection, a [Client] the other one.
//
// The newest generation of the protocol is spoken: the 80-byte registration,
// authenticateV2, sealed binary frames. What clients of before 2025 need beside
// it is in the files legacy_*.go and refused unless ServerConfig.AllowLegacy is
// set: the 64-byte registration, frames sealed by a [LegacySealer], the undated
// authenticate, and exchanging a legacy key. A [Client] speaks none of it.
//
// The package has no policy. It does not decide when a packet is sent, keeps no
// accounts, stores no mail, never reconnects, logs nothing, and its errors name
// nobody. It does not protect the client's identity, timing and packet counts
// from a network that reads plain ws: that is what wss is for.
package session
