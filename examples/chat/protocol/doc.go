// Package protocol has the messages of the chat in examples/chat, in bytes, and
// the cards by which people become each other's contacts. ../PROTOCOL.md says what
// they mean and who sends which when; testdata/vectors.json has one of each kind
// for programs in other languages.
//
//	Message ──Seal──▶ magic, kind, from, id, time, body, signature ──Parse, Verify──▶ Message
//
// It knows neither network nor disk. Whose key is whose, and whether a message
// was there before, is decided by who reads it.
package protocol
