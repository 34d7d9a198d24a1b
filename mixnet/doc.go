// Package mixnet has the words that all other packages share: how clients and
// nodes are addressed, how big packets are, and the one interface between the
// mixnet and what people use it for.
//
//	proxy, wsapi         byte streams, local programs
//	───────── Messenger ─────────
//	client               messages into packets and back
//
//	Recipient  identity . encryption @ gateway     where a client is reached
//	SenderTag  16 random bytes                     how a stranger is answered
//	NodeAddr   IP and mix port                     where a node is reached
//
// It holds no behaviour: no network, no clock, no goroutine, no log. What a
// packet contains is the business of package sphinx, what a message contains
// that of package message.
package mixnet
