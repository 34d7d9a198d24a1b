// Nym-socks5 is a proxy on this machine whose connections go through a mixnet to
// a network requester, which connects to the targets.
//
//	nym-socks5 run --topology topology.json --requester IDENTITY.KEY@GATEWAY
//	nym-socks5 run --directory https://directory.example.org/ --directory-key KEY
//	curl --proxy socks5h://127.0.0.1:1080 https://example.org/
//
// Applications speak SOCKS5, SOCKS4a, SOCKS4 or HTTP CONNECT with it, all at one
// port, by default 127.0.0.1:1080. Names travel to the requester as they are:
// nothing is looked up here. Once it is connected it prints the proxy's URL.
//
// The requester sees one pseudonym for each SOCKS user name and password (which
// are not checked), so that they keep identities apart; with --isolate-targets,
// one for each target besides.
//
// The first run makes an instance: settings, and keys in a state folder. See
// nym-socks5 run --help for all settings and their environment variables, and
// nym-socks5 man for the manual page.
package main
