// Broadcaster takes transactions from the users of a mixnet and hands them to nodes of
// their chains, which learn nothing of where they come from.
//
//	broadcaster run --topology topology.json --chain "bitcoin bitcoin http://127.0.0.1:8332/ credentials=/home/me/.bitcoin/.cookie"
//	broadcaster run --directory URL --directory-key KEY --chain "ethereum ethereum http://127.0.0.1:8545/ id=1" --delay 10m
//
// Once it is connected it prints its address, which users give to "nym-client broadcast" and
// to pages; "broadcaster details" prints it too. "broadcaster nodes" asks each node whether
// it answers.
//
// A node is named by the operator alone. A --chain is a line of words: the NAME by which
// users ask for the chain; its KIND, of which there are bitcoin, ethereum, monero and post;
// its URL; and, where needed,
//
//	credentials=FILE   with USER:PASSWORD, read at each call
//	ca=FILE            certificates by which a node at an https URL is known
//	id=NUMBER          chain id that an Ethereum node must have
//	type=MEDIATYPE     of what is posted to a post
//
// What was taken is on disk before it is answered, and broadcast once, whoever asks how
// often. docs/broadcaster.md describes requests and answers.
//
// See broadcaster run --help for all settings and their environment variables, and
// broadcaster man for the manual page.
package main
