// Localnet is a whole mixnet on this machine: in one process, or as one process
// for each part.
//
//	localnet run --allow RULE | --allowlist FILE [flags]
//	localnet demo [flags]
//	localnet trace [flags]
//
//	localnet run --processes --allow RULE | --allowlist FILE [flags]
//	localnet list | kill NAME | stop NAME | start NAME [--dir DIR]
//
//	localnet write DIR --hosts FILE --allow RULE | --allowlist FILE [flags]
//
//	app ─▶ SOCKS ─▶ client ─▶ gateway-1 ─▶ mix-1-* ─▶ mix-2-* ─▶ mix-3-* ─┐
//	                                                                      │
//	target ◀─ requester ◀─ client ◀─ gateway-2 ◀──────────────────────────┘
//
// All of it speaks TCP on 127.0.0.1: three layers of mix nodes, two gateways, a
// client behind a SOCKS port, and a client with a requester. The keys are drawn at
// the start and end with the process, unless that is said otherwise below.
//
// # Commands
//
// run runs the network until it receives TERM or INT. It prints every address and
// a curl command line to begin with. The requester dials what the rules allow,
// and nothing else; without any rule run refuses to start. Rules are those of
// package allowlist: example.org:443, *.example.org, 192.0.43.0/24:80,443, or *
// for every public host. Rules of flags come before those of the file; the first
// that matches decides. Addresses of this machine and of the mix nodes stay closed
// unless a rule names them.
//
// demo runs the same network with a web server of its own as target. It fetches
// a megabyte through SOCKS5 (by a name that only the requester can resolve), SOCKS4a
// and SOCKS4, sends one, compares SHA-256 hashes, shows what a closed port and a
// target that no rule allows are answered, prints what each node mixed, and stops.
// It uses the system's curl or, where there is none, a client of its own.
//
// trace runs such a network too, with two clients in it that ask and answer, and
// prints one line for each packet: from which gateway it set out, what each node
// finds under its layer (Sphinx version, delay, next hop), where it ends, and the
// same of the SURB-ACK it carries. At the end it counts what it saw. It can do so since it has
// the keys of all nodes, which nobody has elsewhere. Clients have the names alice, bob,
// socks and requester; others are unknown, such as those that come by --directory.
//
// # Networks of processes
//
// run --processes runs the same network as separate processes of the real programs:
// directory, mixnode, gateway, network-requester and nym-socks5, which are beside
// this program or in PATH. It prints the process ids too, and the folder with all
// settings (etc), keys (state) and logs (log): a temporary one that is removed at
// the end, or that of --dir, which stays and is used again by the next run, with the
// same keys and addresses. A part that dies is started again, after pauses that
// grow. Whatever ends this program ends its parts as well.
//
// The parts are called directory, mix-1-1 (layer and number), gateway-1, requester
// and socks. While the network runs, list shows them; kill ends one at once, as a
// power failure would, and stop in order; start starts it again and waits until it
// is up. These find the network that was started last, or that of --dir.
//
// The directory gives layers to mixes in the order in which they come, and may move
// one when a layer is empty for a minute.
//
// # Networks of several machines
//
// write makes the files of a network on several machines: a folder for each, to be
// copied there, with settings and keys, a script (start) that runs all programs of
// that machine, units for systemd, and a README. It refuses a folder that is not
// empty. FILE says what runs where:
//
//	network = "testnet"
//
//	[[host]]
//	name = "alpha"
//	address = "203.0.113.1"   # under which the others reach it
//	directory = true          # on one of the hosts
//	mixnodes = 1              # three or more on all hosts together
//	gateways = 1
//	requesters = 1
//	socks = true              # a proxy for people on this host
//
// Ports are directory_port = 8080, mix_port = 1789 (of the first mix node; then come
// the others and the gateways), clients_port = 9000 (of the first gateway) and
// socks_port = 1080, on loopback.
//
// # Flags of run, demo and trace
//
//	--profile nym|fast    nym, the default: packets are delayed at each mix, leave at a
//	                      pace of their own, and cover takes the place of what is not
//	                      there, as in Nym. fast: none of it; this hides nothing.
//	--mixes-per-layer N   2 if not given
//	--socks ADDR          of the SOCKS port: 127.0.0.1:1080 for run, a free port otherwise
//	--directory ADDR      list the network there over HTTP, for clients that Nym
//	                      publishes: they take the URL that is printed as their API's
//	--beyond-loopback     needed if an ADDR can be reached from other machines. The ports
//	                      have no password.
//	--log-level LEVEL     debug, info, warn, error or off; info for run, error otherwise
//
// # Flags of run, trace and write
//
//	--allow RULE          may be repeated
//	--allowlist FILE      one rule a line
//
// # Flags of run --processes
//
//	--dir DIR             keep settings, keys and logs there; also of list, kill, stop
//	                      and start, which then mean the network in DIR
//	--client ADDR         run nym-client too, with its WebSocket there
//	--programs DIR        use the programs in DIR; also of write
//
// list also has --output json. write has --hosts and --profile.
//
// # Flags of demo
//
//	--bytes N             how many to transfer each way; 1000000 if not given
//	--timeout TIME        after which the demo gives up; 5m if not given
//	--no-curl             use the built-in client in any case
//	--keep                leave the network running at the end, until TERM or INT
//
// # Flags of trace
//
//	--packets N           stop after N of them; 1000 if not given
//	--json                one JSON object a line; the last one has the summary
//
// # Output and exit codes
//
// What was asked for goes to the standard output, the log to the standard error: for
// people on a terminal, as JSON elsewhere. Neither tells which targets are reached.
// Errors are one line.
//
//	0   done, or ended by TERM or INT
//	1   something failed while running; a demo was interrupted
//	2   the command line, or the allowlist, is wrong
//
// On TERM or INT streams are closed first, then the nodes end, each after the
// packets it holds; that takes at most 15 seconds (processes: 40). A second signal
// ends the process at once.
//
// What runs on one machine, in one hand, hides nothing from anybody: this shows
// that a mixnet works. In one process it keeps nothing on disk, knows no directory,
// and cannot be joined by other nodes.
package main
