// Directory tells the programs of a mixnet who is in it.
//
//	directory init --network testnet --listen 203.0.113.5:8080   key, and a file with all settings
//	directory allow IDENTITY --role mixnode                      one line of the operator's list
//	directory members | deny IDENTITY --role mixnode             the list, and one line less
//	directory invite [--role mixnode]                            a link by which users, or who runs a node, join
//	directory invites | revoke KEY                               the invitations, and one taken back
//	directory run                                                until TERM or INT; reads the list again when it changes
//	directory export --custom-mixnet topology.json               the topology, for Nym's programs
//
//	 mixnode, gateway,      announce          ┌───────────┐   topology      all programs,
//	 network-requester   ───────────────────▶ │ directory │ ───────────▶    Nym's clients too
//	                                          └─────┬─────┘   signed
//	 operator ── allow ──▶ members ─────────────────┤
//	          ── invite ─▶ invites ─────────────────┘
//
// It lists those that announce themselves to it, answer at the address they
// announce, and are in the operator's list or were invited to it. All it says is signed by its
// identity key, which our programs pin. What it prints when it runs are the
// flags that make them do so:
//
//	--network testnet --directory http://203.0.113.5:8080/api/ --directory-key KEY
//
// It does not log who asks, nor what.
//
// See directory run --help for all settings and their environment variables, and
// directory man for the manual page.
package main
