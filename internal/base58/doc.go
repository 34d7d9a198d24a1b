// Package base58 is the text form of keys, addresses and tags: numbers to the base
// of 58, in Bitcoin's alphabet, the most significant digit first. A zero byte in
// front of others is a digit 1 in front of theirs.
//
//	base58.Encode([]byte{0, 58}) == "121"
//
// How long that takes depends on the bytes, and goes by the square of their number.
package base58
