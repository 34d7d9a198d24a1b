// Package sessiontest speaks either end of the protocol between client and gateway
// word for word, for tests of the other end.
//
//	test ── Peer ── connection ── client or gateway under test
//
// A Peer says and wants one message at a time; a Mailbox keeps what a client got.
// Only tests import this package. It does not import package session, whose tests
// it is for.
package sessiontest
