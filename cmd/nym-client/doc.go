// Nym-client lets other programs on this machine send and receive messages
// through a mixnet, over a WebSocket that speaks as Nym's own client does.
//
//	nym-client run --topology topology.json
//	nym-client run --directory https://directory.example.org/ --directory-key KEY
//
// Once it is connected it prints the URL where programs connect, by default
// ws://127.0.0.1:1977. A text frame is a request in JSON:
//
//	{"type":"selfAddress"}
//	{"type":"send","recipient":"IDENTITY.KEY@GATEWAY","message":"hello"}
//
// and a message that arrives is one too:
//
//	{"type":"received","message":"hello","senderTag":null}
//
// Package mixnet/wsapi describes all requests, in JSON and in binary, and
// examples/first-message has programs in Python and JavaScript.
//
// "nym-client details" prints the address under which others send to us. What is
// sent while nym-client does not run waits at the gateway; what arrives while no
// program is connected is kept for the next, in memory or, with --keep-on-disk,
// sealed on disk.
//
// From the command line:
//
//	echo hi | nym-client send ADDRESS           until it is acknowledged
//	echo who? | nym-client send --anonymous bob  bob can answer, and not know us
//	nym-client receive --json                   what arrives, an object a line
//	echo me | nym-client send TAG               answers the senderTag of such a line
//	nym-client broadcast send ADDRESS bitcoin    a transaction on standard input, by a broadcaster
//	nym-client alias add bob ADDRESS
//	nym-client status
//
// Byte streams go from client to client, by a port of the address:
//
//	nym-client listen 22 --to 127.0.0.1:22                       at bob's
//	ssh -o ProxyCommand='nym-client dial %h %p' bob              at alice's
//
// Web pages may not connect, unless --origin names theirs. Whoever else can
// reach the port may, and speaks for the client: --token-file has them show a text.
//
// The first run makes an instance: settings, and keys in a state folder. See
// nym-client run --help for all settings and their environment variables, and
// nym-client man for the manual page.
package main
