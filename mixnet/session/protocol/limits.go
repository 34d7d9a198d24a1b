package protocol

import (
	"time"

	"nym-socks5/internal/gcmsiv"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// Sizes in bytes.
const (
	// MaxMessage is the largest legal message of either end: a frame with the
	// largest packet for an IPv6 hop (H35). The legacy frame is one byte longer
	// than the sealed one. No text comes near it.
	MaxMessage = macSize + 1 + mixnet.NodeAddr6Size + mixnet.MaxPacketSize
	// FrameOverhead is how much longer a frame is than what is sealed in it.
	FrameOverhead = frameHead + gcmsiv.Overhead
	// NonceSize is that of a nonce of AES-256-GCM-SIV.
	NonceSize = 12
	// maxLoginText is longer than any base58 form of 48 bytes (66 letters), so that
	// a hostile text costs nothing to refuse.
	maxLoginText = 72

	// sealerMemory is about what a Sealer takes that remembers nothing.
	sealerMemory = 1 << 10

	addressSize = keys.Size + gcmsiv.Overhead // 48
)

// Nonces that are remembered.
const (
	// nonceWindow is how many nonces back a repetition is noticed (H21).
	nonceWindow = 65536
	// nonceTableMin and nonceTableMax are how many nonces the first table
	// takes, and the biggest: a silent session costs 2 kB, and no more than a
	// quarter beyond the window is kept.
	nonceTableMin = 256
	nonceTableMax = nonceWindow / 4
)

// maxSkew is how far a client's clock may be from the gateway's (nodes.md §1.5).
const maxSkew = 120 * time.Second
