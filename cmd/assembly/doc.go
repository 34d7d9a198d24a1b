// Package assembly has what several commands are made of in the same way.
//
//	settings [network] ──▶ Source ──┬──▶ Node       mixnode, gateway
//	         [mix], keys ───────────┤
//	         [client], keys, state ─┴──▶ Client     nym-client
//	                                       └─▶ Endpoint   nym-socks5, network-requester
//
//	files ──▶ Certificate ──▶ ServerTLS            gateway, directory
//
// It maps the sections that their settings share to the engines' Config
// structs. What only one command has stays in that command's run.go; flags,
// files and signals stay in internal/cli.
package assembly
