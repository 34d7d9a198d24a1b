// Command first-message shows that programs in other languages use the mixnet:
// it runs a network and two clients in this process, as localnet and nym-client
// do, and the scripts beside it in Python and JavaScript against them.
//
//	first_message.py ◀─ WebSocket ─▶ wsapi ─ alice ─▶ gateway ─▶ 3 mixes ─┐
//	first-message.js ◀─ WebSocket ─▶ wsapi ─ bob ◀─── gateway ◀───────────┘
//
//	go run ./examples/first-message
//
// Two more scripts, native_client.py and native-client.js, do what Nym's documentation
// shows of its native client: texts and files, in JSON and in binary, with replies.
//
// in the root of the repository. It needs Python 3 and Node.js, fails if a script
// prints something else than it should, keeps nothing, and opens ports on loopback
// only. README.md has the same by hand, with separate programs.
package main
