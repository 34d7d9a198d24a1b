// Package session is the client's end of the protocol between a client and its
// gateway, and what both ends are connected by.
//
//	conn, err := session.Dial(ctx, "ws://192.0.2.1:9000", nil)
//	client, err := session.Authenticate(ctx, conn, identity, sealer, time.Now(), receive)
//	...
//	go client.Run(ctx) // reads, calls receive
//	err = client.Send(ctx, packet)
//
// Who has no key with the gateway yet makes one with [Register] first.
//
//	         client                                   gateway (sessionserver)
//	Register      ── handshake ──────────────────▶
//	Authenticate  ── signed, dated request ──────▶
//	Client.Send   ── sealed frame: next hop, packet ──▶
//	              ◀── "send": one per packet ──────────
//	Client.Run    ◀── sealed frame: message or ack ────
//
//	         protocol: texts, frames, handshakes
//	───────────────────── MessageConn ─────────────────────────
//	         WebSocket (native, browser)      Pipe (in memory)
//
// A Client speaks the newest generation of the protocol only: the 80-byte
// registration, authenticateV2, sealed binary frames.
//
// The package has no policy. It does not decide when a packet is sent, never
// reconnects, logs nothing, and its errors name nobody. It does not protect the
// client's identity, timing and packet counts from a network that reads plain
// ws: that is what wss is for.
package session
