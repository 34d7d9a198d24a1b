// Package sphinx builds packets, unwraps one layer of them, and makes and uses
// single-use reply blocks (SURBs). The format is that of sphinx-packet 0.6.0
// (sphinx.md §3), after "Sphinx: A Compact and Provably Secure Mix Format"
// (Danezis, Goldberg 2009).
//
//	     32         16                300                       n
//	+-----------+--------+---------------------------+-------------------+
//	|     α     |   γ    |             β             |         δ         |
//	+-----------+--------+---------------------------+-------------------+
//	 a point: with MAC    where to, how long to wait  payload, one Lioness
//	 each hop's  over β   and γ, β of the next hop;   layer per hop
//	 key it is            encrypted for this hop
//	 the secret
//
//	Build  route, message ──▶ packet             Job, Builder
//	Open   packet, key    ──▶ replay tag         Workspace, phase 1
//	Strip  packet         ──▶ next packet        Workspace, phase 2
//
// Unwrapping has two phases because the replay filter stands between them:
// nothing of a packet is looked at before its MAC is right, and no payload is
// touched before its tag is known to be new.
//
// Everything works on 1 to 8 packets at a time and in place. Each phase takes all
// of them before the next begins, so that they share vector registers: the curve
// arithmetic of all, the MACs of all, the payloads of all that have one size
// ([internal/vec8]). Where the CPU has AVX-512, a packet in a group of 8 takes a
// quarter of the time of one alone; elsewhere as long. Nothing is allocated per
// packet. Those who build for the same nodes again and again share [Tables] of
// the nodes' keys.
//
// The package draws nothing: each random byte is an input. It reads no clock,
// waits for nothing, keeps no tags, and knows nothing of what a payload means.
package sphinx
