// Package message has the kinds of message that clients send each other, and
// the sealing of a fragment into the payload of a packet (sphinx.md §5.2,
// §5.6-5.8, §5.10, §5.12).
//
//	Message ──AppendBinary──▶ bytes ──fragment.Split──▶ fragments
//	                                                        │ Sealer
//	                                                        ▼
//	+------------------+-----------------------+---------------------+
//	| SURB-ACK (405)   | ephemeral key, or     | fragment,           |
//	|                  | digest of a reply key | AES-128-CTR         |
//	|                  | (32)                  |                     |
//	+------------------+-----------------------+---------------------+
//	 kept by the exit  ╰──────── pushed to the recipient ────────────╯
//	                                                        │ Open
//	                                                        ▼
//	Message ◀──Parse────────  bytes ◀──fragment.Insert── fragments
//
// A fragment is sealed either for the recipient's encryption key, as anybody
// can, or with the key of a reply SURB, as only its holder can. Open says which,
// and Parse accepts only the kinds of message that belong there.
//
// The package draws what must be fresh and keeps nothing from one packet to the
// next. It chooses no routes, knows no pacing, and remembers no reply keys.
package message
