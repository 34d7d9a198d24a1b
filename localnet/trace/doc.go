// Package trace takes packets apart with the keys of all nodes: every layer,
// and those of the SURB-ACK inside, and follows each over the nodes it passes.
//
//	frame from an entry ──peel──▶ layer 1 ▶ layer 2 ▶ layer 3 ▶ exit ▶ plaintext
//	                                                                   └▶ SURB-ACK ──peel──▶ …
//	frames from mixes ──▶ the packet that was seen before: how long it waited there
//	                                   │
//	                                   ▼ seen on its last link, or lost
//	                                Record ──▶ Summary
//
// One hand holds all keys in a test network and nowhere else; that is the only
// place where this can be done. It knows clients by the names that it was
// given, and no address is in a Record.
//
// The package does not read the clock, opens no connection and decrypts no
// message: what a client sealed for another stays sealed.
package trace
