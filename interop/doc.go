// Package interop runs programs that Nym publishes against our network.
//
//	npm nym-client-wasm-node ── HTTP ──▶ directory ─┐
//	         │                                      │ lists
//	         └── WebSocket ──▶ gateway ─▶ mixes ─▶ gateway ◀── client of ours
//
// It is a module of its own: what is needed for that is not needed by the
// product. `make interop` fetches the packages and runs the tests, which fail
// where those are missing.
package interop
