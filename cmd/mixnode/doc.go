// Mixnode is a mix node: it takes a layer of encryption off the packets it gets,
// delays each for the time that its sender asked for, and passes it on.
//
//	mixnode init --mix-announce 203.0.113.11:1789   keys, and a file with all settings
//	mixnode details -o json                         what the network needs to know of it
//	mixnode run --topology topology.json            until TERM or INT; HUP reads the topology again
//
// Without an instance, run makes one; see mixnode run --help for all settings and
// their environment variables, and mixnode man for the manual page.
//
// It listens at one port for other nodes. It keeps its keys in its state folder,
// which is that node's identity: back it up.
package main
