// Command grpc shows gRPC between two addresses of a mixnet: a server that has no
// port on the internet, and a client that it does not know.
//
//	client ── DialAddress ──▶ gateway ─▶ 3 mixes ─▶ gateway ──▶ Listen ── server
//
// It runs a network in this process, as examples/hello does. gRPC is a module of its own
// here, so that the library does not depend on it; a program of yours has both.
package main
