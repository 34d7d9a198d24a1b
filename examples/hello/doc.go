// Command hello shows how a program uses the mixnet: it runs a network in this
// process, in which alice opens a stream to bob, who answers somebody.
//
//	alice ─▶ gateway ─▶ 3 mixes ─▶ gateway ─▶ bob
//
// It keeps nothing, opens ports on loopback only, and hides nothing from who
// runs it.
package main
