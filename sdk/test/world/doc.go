// Command world is what the tests of the npm package run against: a network with
// a directory on loopback, targets that only its requester can name, and the
// package's files over HTTP.
//
//	node --test ── spawns ──▶ world
//	            ◀─ stdout ──  {"directory": URL, "gateways": [IDENTITY…], "requester": ADDRESS, …}
//	            ── stdin ──▶  stop gateway-1 | start gateway-1 | echo
//	            ◀─ stdout ──  ok | error TEXT | an address of a client that answers what it is sent
//
// It ends when its stdin does.
package main
