// Package requester is the egress: it opens the TCP connections that others ask
// for through the mixnet, and copies bytes both ways.
//
//	Incoming ─▶ target text ─▶ Allow(host, -, port) ─▶ Lookup, both families
//	                                                      │ each address
//	            Reject(reason) ◀── denied ── Allow(host, addr, port)
//	                  ▲                                   │ those allowed
//	                  └────────── failed ──────────── connect ◀─ Allow once more
//	                                                      │
//	            Accept ─▶ stream ◀══ bytes, half-close ══▶ target
//
// A name is looked up once, after Allow found that it could be allowed at all, for
// both families at once (RFC 8305): addresses are dialed as the answers come. Only
// addresses that Allow passed are dialed, families alternating, and each is
// asked about again at the very moment of connecting, so that nothing can change
// in between. Everything is bounded: streams, addresses, connects at a time, and the
// time for each step.
//
// One goroutine serves a stream; looking up adds two, connecting one per address
// tried, and copying those of [proxy.Splice]. All end with Run's context.
//
// The package knows nothing of the mixnet, decides nothing about policy (that is
// Allow's), keeps no DNS cache, and logs neither targets nor who asked; idle
// limits are the stream's own.
package requester
