// Network-requester connects to targets for the users of a mixnet: where their
// streams leave it for the open internet.
//
//	network-requester run --topology topology.json --allow example.org:443
//	network-requester run --topology topology.json --allowlist allowed.txt
//
// Once it is connected it prints its address, which users give to nym-socks5 as
// --requester; "network-requester details" prints it too. HUP reads the
// allowlist again, and the topology.
//
// It connects to nothing that no rule allows, and it refuses to start with no
// rule, or, unless --open says that this is meant, with one that allows
// everything. Private and other special addresses, the host's own and those of
// the mix nodes need a rule that names them. The form of rules is described in
// package allowlist.
//
// See network-requester run --help for all settings and their environment
// variables, and network-requester man for the manual page.
package main
