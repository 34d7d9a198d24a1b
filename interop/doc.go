// Package interop runs programs that Nym publishes against our network.
//
//	npm nym-client-wasm-node ──┬─ HTTP ───────▶ directory ── lists ──────────┐
//	npm mix-fetch in Chromium ─┴─ WebSocket ──▶ gateway ─▶ mixes ─▶ gateway ◀┘
//	                                                                  ▲
//	                                     client or requester of ours ─┘
//
// It is a module of its own: what is needed for that is not needed by the
// product. `make interop` fetches the packages and runs the tests, which fail
// where those are missing, or Node or Chromium are.
package interop
