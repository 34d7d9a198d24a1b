// Package socksclient is a small SOCKS 4, 4a and 5 client, for tests and the demo.
//
//	        ┌─ greeting, user/password ─▶ ┐
//	Dialer ─┤─ CONNECT name:port ───────▶ ├─ proxy
//	        └─ reply code ◀────────────── ┘
//	then: the bare connection to the proxy, half-close and all
//
// It keeps the raw reply code ([ReplyError]), because that is what tests ask
// about. It never looks a name up: names travel to the proxy as they are.
//
// It knows CONNECT only, and no authentication but user and password.
package socksclient
