// Package keys has one type for each kind of key of the mixnet, so that the
// compiler refuses a node's Sphinx key where a client's identity is wanted.
//
//	what                 public       private         made of
//	who a party is       Identity     IdentityKey     Ed25519
//	messages to a client Encryption   EncryptionKey   X25519
//	packets at a node    Sphinx       SphinxKey       X25519
//	links between nodes  Noise        NoiseKey        X25519
//	SURB-ACKs            -            Ack             16 bytes, AES-128
//	one reply            -            Reply           16 bytes, AES-128
//	client and gateway   -            Session         32 bytes, AES-256-GCM-SIV
//
// Public keys are comparable and print as base58 (Bitcoin alphabet, no
// checksum). Private keys have no text form, cannot be compared with ==, and
// print as their type's name.
//
// The package reads no files and knows nothing of the messages that the keys
// protect.
package keys
