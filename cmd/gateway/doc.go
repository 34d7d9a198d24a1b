// Gateway is where clients enter a mixnet and where messages for them arrive.
//
//	gateway init --mix-announce 203.0.113.21:1789   keys, and a file with all settings
//	gateway details -o json                         what the network needs to know of it
//	gateway run --topology topology.json            until TERM or INT; HUP reads files again
//
// It listens at two ports or three: one for mix nodes, as a mix node does, and
// those where clients connect by WebSocket, plain or over TLS. The certificate
// for that is read from files, again on HUP, or got from an authority (ACME).
// Messages for clients that are away are kept, for a day, in its state folder;
// so are its keys, those it shares with clients, and what the authority gave.
//
// See gateway run --help for all settings and their environment variables, and
// gateway man for the manual page.
package main
