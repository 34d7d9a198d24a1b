// Package socks is the front door for applications: a SOCKS proxy whose
// connections are streams through the mixnet.
//
//	        first byte
//	app ──▶ 5 ─── SOCKS5, go-socks5 ────────┐
//	        4 ─── SOCKS4, 4a ───────────────┤ target, isolation key ──▶ Config.Dial
//	        A-Z ─ HTTP CONNECT ─────────────┘        reply ◀──┘
//	        │                                        then bytes both ways, half-close kept
//	        │     GET http://… ── net/http ──▶ Config.Dial, answers one after the other
//	        │     other HTTP ──▶ a page that explains
//	        else  closed
//
// All kinds share one port. The name an application asks for travels to the
// requester as it is: nothing here ever looks a name up or connects anywhere by
// itself. The reply tells what the requester met (strict, socks.md §21.2), or is
// "succeeded" at once and a later failure resets the application's socket
// (Config.Optimistic).
//
// # Who owns what
//
// A [Server] owns the connections it accepted; each has one goroutine, one
// more while a stream is being opened, and those of [proxy.Splice] while bytes flow. A connection is
// first one of at most Config.MaxHandshakes (the oldest gives way when too many
// come) and, once it has said where it wants to go, one of at most Config.MaxConns.
// The stream that Dial returned owns idle and linger limits.
//
// HTTP requests for proxies are passed on by net/http (http.go, forward.go): what
// has a whole http URL is, whoever sends it; what has a path only never is, whatever
// its Host says.
//
// What a host says on a stream of HTTP requests although nobody asked it, net/http writes
// into the log of package log. Programs that must not write down what hosts say, as those
// of this module, call log.SetOutput(io.Discard).
//
// github.com/armon/go-socks5 reads SOCKS5 requests; its quirks stay in this package:
// socks5.go has the hooks and what they work around, front.go the application's side.
//
// The package does not choose requesters, resolve names, serve BIND or UDP, check
// passwords (user and password only keep streams apart, socks.md §21.6), or log
// anything about a connection.
package socks
