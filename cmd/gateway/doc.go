// Gateway is where clients enter a mixnet and where messages for them arrive.
//
//	gateway init --mix-announce 203.0.113.21:1789   keys, and a file with all settings
//	gateway details -o json                         what the network needs to know of it
//	gateway run --topology topology.json            until TERM or INT; HUP reads the topology again
//
// It listens at two ports: one for mix nodes, as a mix node does, and one where
// clients connect by WebSocket. Messages for clients that are away are kept, for
// a day, in its state folder; so are its keys and those it shares with clients.
//
// See gateway run --help for all settings and their environment variables, and
// gateway man for the manual page.
package main
