// Package sessionserver is the gateway's end of the protocol between a client and its
// gateway (nodes.md §1): it lets clients register and log in, takes their packets,
// and hands them what arrives.
//
//	srv, err := sessionserver.New(sessionserver.Config{Identity: identity, Accounts: accounts, Handler: handler})
//	conn, err := sessionserver.Accept(w, r) // in an http.Handler
//	err = srv.Serve(ctx, conn)
//
//	client ── connection ──▶ handshaking ── registered, logged in ──▶ Session
//	                             │                                     │  ▲
//	                             ▼                                     ▼  │ Deliver, DeliverWait
//	                          Accounts                          Handler: packets, Online, Gone
//
// Each connection has a reader, which owns all that is decided, a writer, which
// empties the outbox, and a watchdog, which closes a connection whose client is silent
// when it should not be. What a client has sent under one key is remembered beyond the
// connection, so that no frame counts twice (H21).
//
// [Accounts] and [Handler] are the gateway's: who may register, whose session takes
// the place of whose, what becomes of packets. Clients of before 2025 are served only
// if Config.AllowLegacy is set; what is for them alone stands in sealers.go and
// register.go.
//
// The package listens at no port, stores nothing, keeps no mail, meters nothing and
// logs nothing; its errors name nobody.
package sessionserver
