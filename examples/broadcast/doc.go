// Package broadcast runs a broadcaster against real nodes on this machine, with
// transactions that real wallets make:
//
//	btcd's libraries ─────┐                                   ┌▶ btcd --simnet
//	ethers, in Node ──────┼▶ nym-client ═ mixnet ═ broadcaster ┼▶ anvil
//	monero-wallet-rpc ────┘                        ▲          └▶ monerod --regtest
//	                                               │
//	              a gate before each node: it cuts, delays, spoils and loses answers
//
// It is a module of its own, since the product needs none of that. "make
// broadcast-real" fetches what comes from registries and runs it, in three
// minutes or so; monerod and monero-wallet-rpc have to be installed. It opens ports on
// loopback only, keeps nothing, and ends what it started.
//
// send.mjs is a wallet in forty lines.
package broadcast
