//go:build js

// Command nym-wasm is a client of the mixnet for pages and for Node.js: what the
// npm package in sdk/ loads into a worker.
//
//	GOOS=js GOARCH=wasm go build -tags messages ./cmd/nym-wasm # messages
//	GOOS=js GOARCH=wasm go build -tags streams ./cmd/nym-wasm  # byte streams and fetch, with TLS
//
// Two programs, since a page that only sends messages should not load TLS. Each
// puts one function at globalThis.nymStart, which the package calls with the
// resolve function of a promise:
//
//	sdk/worker.mjs ── start(options) ──▶ Promise of a client ──▶ package endpoint
//	                  options.store: load, save (IndexedDB, a file, memory)
//	                  options.message, options.event: called by us
//	                  networkChanged(): the browser says that the network is back
//
// Everything that may wait gives a Promise. Errors are JavaScript Errors with a
// code; errors.go has the list. Bytes cross as Uint8Array, large things piece by
// piece. The program logs nothing unless options.log is given, and then no keys,
// no recipients and no data.
//
// It decides nothing: which gateway to enter by, when to move and what to keep is
// package endpoint's business; what JavaScript sees, the package's in sdk/.
package main
