// Localnet is a whole mixnet in one process, on this machine.
//
//	localnet run --allow RULE | --allowlist FILE [flags]
//	localnet demo [flags]
//
//	app ─▶ SOCKS ─▶ client ─▶ gateway-1 ─▶ mix-1-* ─▶ mix-2-* ─▶ mix-3-* ─┐
//	                                                                      │
//	target ◀─ requester ◀─ client ◀─ gateway-2 ◀──────────────────────────┘
//
// All of it speaks TCP on 127.0.0.1: three layers of mix nodes, two gateways, a
// client behind a SOCKS port, and a client with a requester. The keys are drawn at
// the start and end with the process.
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
// # Flags of both
//
//	--profile nym|fast    nym, the default: packets are delayed at each mix, leave at a
//	                      pace of their own, and cover takes the place of what is not
//	                      there, as in Nym. fast: none of it; this hides nothing.
//	--mixes-per-layer N   2 if not given
//	--socks ADDR          of the SOCKS port: 127.0.0.1:1080 for run, a free port for demo
//	--directory ADDR      list the network there over HTTP, for clients that Nym
//	                      publishes: they take the URL that is printed as their API's
//	--beyond-loopback     needed if an ADDR can be reached from other machines. The ports
//	                      have no password.
//	--log-level LEVEL     debug, info, warn, error or off; info for run, error for demo
//
// # Flags of run
//
//	--allow RULE          may be repeated
//	--allowlist FILE      one rule a line
//
// # Flags of demo
//
//	--bytes N             how many to transfer each way; 1000000 if not given
//	--timeout TIME        after which the demo gives up; 5m if not given
//	--no-curl             use the built-in client in any case
//	--keep                leave the network running at the end, until TERM or INT
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
// packets it holds; that takes at most 15 seconds. A second signal ends the process at
// once.
//
// What runs on one machine, in one hand, hides nothing from anybody: this shows
// that a mixnet works. It keeps nothing on disk, knows no directory, and cannot
// be joined by other nodes.
package main
