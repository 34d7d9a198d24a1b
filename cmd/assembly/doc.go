// Package assembly maps the settings that several commands share to the Configs of
// packages:
//
//	settings [network] ──▶ Source ──┬──▶ Node, Registered, Listed    mixnode, gateway
//	         [mix], keys ───────────┤
//	         [client], keys, state ─┴──▶ Endpoint                    nym-client, nym-socks5, network-requester, broadcaster
//
// What only one command has stays in that command's run.go; flags, files and
// signals stay in internal/cli. What decides anything is elsewhere: in package
// endpoint for those who use a mixnet, in internal/node for the keys of nodes.
// State folders of version 1 are converted here, since only here all that they
// held is known.
package assembly
