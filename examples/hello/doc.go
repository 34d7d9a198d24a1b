// Command hello shows how a program uses the mixnet: it runs a network in this
// process, has one client ask another something without saying who asks, and
// prints the answer.
//
//	alice ── question, reply SURBs ──▶ gateway ─▶ 3 mixes ─▶ gateway ──▶ bob
//	      ◀───────────── gateway ◀─ 3 mixes ◀─ gateway ◀── answer ────
//
// It keeps nothing, opens ports on loopback only, and hides nothing from who
// runs it.
package main
