// Command chat lets people write to each other and send files, with no server between
// them but the mixnet, on a page of this machine or in a terminal. Mail for those who
// are away waits at their gateway.
//
//	browser ◀─ loopback, token ─▶ chat ◀─ messages ─▶ mixnet ◀─ messages ─▶ chat ◀─▶ terminal
//
// README.md has how to use it, PROTOCOL.md what two chats say to each other.
//
//	protocol/    the messages, in bytes
//	book.go      what is on disk: contacts and conversations
//	person.go    becoming contacts, texts, and what is confirmed
//	files.go     files, piece by piece
//	view.go      what is shown
//	web.go       the page: page/ in the browser
//	terminal.go  the terminal
//	qr.go        cards as QR codes
package main
