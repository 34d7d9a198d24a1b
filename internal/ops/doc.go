// Package ops lets whoever runs a program ask it how it fares.
//
//	          GET /healthz   is it alive?                  open to whoever reaches the port
//	program ─┬─   /readyz    is it of use?                 the same
//	 Report  ├─   /status.json  what it does, since when   with the token, or over the
//	         └─   /metrics   counters, for Prometheus      owner's own socket
//
// It listens on a Unix socket in the state folder, which only its owner can open, and,
// if the operator wants, on a loopback port, where all but yes or no needs a token.
//
// Nothing here tells who talks to whom (H38): reports name no client, target, tag or
// stranger's address, and counters are read once a minute, so that two looks in a row
// cannot show a single packet.
package ops
