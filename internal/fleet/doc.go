// Package fleet is a network as separate processes of the real programs, with
// real files of settings and keys.
//
//	Make ── init, details, allow ──▶ folder ── Run ──▶ directory
//	  the programs themselves                          mix-1-1, mix-2-1, ...
//	  write their files                                gateway-1, gateway-2
//	                                                   requester, socks
//
//	                     ┌──────────── Run ──────────────┐
//	list, kill, stop, ──▶│ control   a supervisor a part │── sd_notify ── a process
//	start    [Ask]       └───────────────────────────────┘── log file ───    each
//
//	Write ── a folder for each of several machines ──▶ etc, state, units, start
//
// A network lives in one folder:
//
//	etc/NAME.toml    settings of the part NAME, as its program wrote them
//	state/NAME/      its keys and state
//	log/NAME.log     what it printed and logged
//	run/             sockets, while the network runs
//
// A second [Make] in the same folder takes what is there: identities and
// addresses stay. Parts are named as in package localnet.
//
// Who supervises is like systemd: a part is up when it says so on its notify
// socket, one that dies by itself is started again after growing pauses, and in
// the end all are asked to stop, those first that use the others. No process
// outlives the one that runs [Network.Run], however that ends; where the system
// is neither Linux nor FreeBSD, only if it ends in order.
//
// The package writes no settings and no keys itself and knows no file formats
// of the programs; it asks the programs. It carries no traffic.
package fleet
