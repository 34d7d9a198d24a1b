// Command backend is a web API that its users reach through a mixnet only, and the
// program that they use: a poll, in which nobody can tell who voted.
//
//	backend vote ─▶ gateway ─▶ 3 mixes ─▶ gateway ─▶ network-requester ─▶ backend serve
//	                                                 allow 127.0.0.1:8090
//
// The requester stands beside the API and connects to it and to nothing else, so it
// is of no use to anybody for anything else. The API is plain net/http, and knows
// nothing of a mixnet. README.md has how to run it.
//
//	api.go      the API
//	client.go   uses it, through the requester
package main
