package sphinx

import (
	"errors"
	"fmt"
)

// Sizes in bytes (sphinx.md §3.1).
const (
	MaxHops         = 5
	HeaderSize      = alphaSize + macSize + betaSize // 348
	PayloadOverhead = zeroPrefix + 1                 // 17
	MaxPadding      = betaSize - finalMeta           // 248: random bytes a route of one hop needs
	SeedSize        = 16                             // payload key of a hop in a SURB, version 259
	FullKeySize     = 192                            // the same, version 258
	TagSize         = 32

	alphaSize   = 32
	macSize     = 16
	betaSize    = hopSize * MaxHops         // 300
	streamSize  = hopSize*MaxHops + hopSize // 360
	hopMeta     = 44                        // flag, version, address, delay
	hopSize     = hopMeta + macSize         // 60
	finalMeta   = 52                        // flag, version, destination, identifier
	zeroPrefix  = 16
	leftSize    = 32 // left part of a Lioness block
	minPayload  = leftSize + 1
	flagForward = 1
	flagFinal   = 2

	betaOff    = alphaSize + macSize
	payloadOff = HeaderSize
)

// BatchSize is how many packets share one pass at most.
const BatchSize = 8

// Errors of unwrapping. A node drops the packet and tells nobody which it was.
var (
	ErrLowOrder  = errors.New("sphinx: point of low order")
	ErrMAC       = errors.New("sphinx: header MAC is wrong")
	ErrVersion   = errors.New("sphinx: header version not allowed")
	ErrMalformed = errors.New("sphinx: malformed")
	ErrPayload   = errors.New("sphinx: payload is damaged")
)

// A Version is written into every hop's routing block and decides the
// arithmetic and the form of the payload keys (sphinx.md §3.3).
type Version uint16

// The versions that are built. When unwrapping, 1, 256 and 257 are legacy, 258
// is Version258, and every other value behaves like Version259.
const (
	Version258 Version = 258 // payload keys in full
	Version259 Version = 259 // payload keys from 16-byte seeds
)

// legacy: scalars modulo the group order, never clamped.
func (v Version) legacy() bool { return v == 1 || v == 256 || v == 257 }

// fullKeys: the 192 bytes of the key schedule are the payload key.
func (v Version) fullKeys() bool { return v.legacy() || v == Version258 }

// String gives the number.
func (v Version) String() string { return fmt.Sprintf("%d", uint16(v)) }
