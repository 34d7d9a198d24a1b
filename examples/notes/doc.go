// Command notes is a service that keeps notes for people it does not know, and the
// program by which they use it. It is what a service on a mixnet looks like: one
// message is a request, one is the answer, and either may be lost or come twice.
//
//	notes put ─▶ gateway ─▶ 3 mixes ─▶ gateway ─▶ notes serve ─▶ notes.db
//	          ◀──────────── reply SURBs ◀────────
//
// README.md has the protocol, and notes.py and notes.mjs speak it too.
//
//	request.go   requests and answers, in JSON
//	store.go     what is kept, and the bounds of it
//	service.go   takes requests, answers them
//	client.go    asks, and asks again
package main
