// Package admit decides which connections a listener takes: how many at once,
// how many from one address, how many in a second. Every listener of every
// program uses it, so that a limit means the same everywhere.
//
//	l := admit.New(admit.Limits{Places: 8192, PlacesPerPrefix: 64, Rate: 500})
//	err := admit.Accept(ctx, ln, log, func(c net.Conn) {
//		place, ok := l.Enter(admit.AddrPort(c.RemoteAddr()).Addr())
//		if !ok {
//			c.Close()
//			return
//		}
//		wg.Go(func() { defer place.Leave(); serve(ctx, c) })
//		l.Wait(ctx)
//	})
//
// For a server that accepts by itself, as net/http does, [Listen] puts the
// limits below it.
//
//	kernel ─▶ Accept ─▶ Enter: a place in all, and of its prefix? ─▶ handle
//	            ▲          │ no                                       │
//	            │          ▼                                          ▼
//	            │        closed without an answer            Slots: few compute
//	            └── Wait: in all so many a second              a handshake at once
//
// What one customer of a provider has counts as one address: an IPv4 address or
// an IPv6 /56 (H23). This machine's own connections are not limited by address
// unless Limits.CountLoopback is set. The package reads nothing from a
// connection and logs no address.
package admit
