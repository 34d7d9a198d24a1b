// Package interop runs programs that Nym publishes against our network.
//
//	crate nym-sdk, in Rust ────┐
//	npm nym-client-wasm-node ──┼─ HTTP ───────▶ directory ── lists ──────────┐
//	npm mix-fetch, in Node ────┤                                             │
//	          and in Chromium ─┤                                             │
//	our package, in Chromium ──┴─ WebSocket ──▶ gateway ─▶ mixes ─▶ gateway ◀┘
//	                                               ┊                  ▲
//	                              what they carry, ┊                  │
//	                              layer by layer ◀─┘                  │
//	                                     client or requester of ours ─┘
//
// The mix-fetch for Node is a client of before 2025; that for Chromium is not.
//
// The network is one of package localnet, whose packets can be taken apart, or
// one of processes of the real programs.
//
// It is a module of its own: what is needed for that is not needed by the
// product. `make interop` fetches the packages and runs the tests, which fail
// where those are missing, or Node or Chromium are; those with the build tag rust
// are for `make interop-rust`.
package interop
