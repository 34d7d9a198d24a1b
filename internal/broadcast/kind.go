package broadcast

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/sha3"
)

// ErrMalformed reports bytes that no conforming program produces.
var ErrMalformed = errors.New("broadcast: malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// A Kind is what is spoken with the nodes of a chain.
type Kind string

// The kinds.
const (
	Bitcoin  Kind = "bitcoin"  // JSON-RPC of bitcoind, btcd and others
	Ethereum Kind = "ethereum" // JSON-RPC of the execution API
	Monero   Kind = "monero"   // HTTP of monerod
	Post     Kind = "post"     // whatever takes bytes by HTTP POST
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Bitcoin, Ethereum, Monero, Post} }

// HashSize is the size of a Hash in bytes.
const HashSize = 32

// A Hash names a transaction, in the order of bytes in which people write it.
type Hash [HashSize]byte

// ParseHash reads 64 hexadecimal digits, with or without 0x in front. Its errors
// wrap [ErrMalformed].
func ParseHash(text string) (h Hash, err error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(b) != HashSize {
		return h, malformed("a hash has %d hexadecimal digits", 2*HashSize)
	}
	return Hash(b), nil
}

// Text is a hash as people of that chain write it.
func (k Kind) Text(h Hash) string {
	if k == Ethereum {
		return "0x" + hex.EncodeToString(h[:])
	}
	return hex.EncodeToString(h[:])
}

// Checks reports whether a node of that kind can tell, without broadcasting it,
// whether it would take a transaction.
func (k Kind) Checks() bool { return k == Bitcoin }

// Looks reports whether a node of that kind can be asked what became of a
// transaction.
func (k Kind) Looks() bool { return k != Post }

// Hash gives the name of a transaction: the one that the chain gives it, or for
// Post the SHA-256 of its bytes. It refuses bytes that are no transaction of that
// kind at all, and does not look whether one is valid. Its errors wrap
// [ErrMalformed].
func (k Kind) Hash(tx []byte) (Hash, error) {
	if len(tx) == 0 {
		return Hash{}, malformed("the transaction is empty")
	}
	switch k {
	case Bitcoin:
		return bitcoinID(tx)
	case Ethereum:
		return ethereumHash(tx)
	case Monero:
		return moneroHash(tx)
	case Post:
		return sha256.Sum256(tx), nil
	}
	return Hash{}, malformed("there is no kind %q", string(k))
}

// keccak is the hash of Ethereum and Monero: Keccak-256, before it became SHA-3.
func keccak(parts ...[]byte) (h Hash) {
	state := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		state.Write(p)
	}
	state.Sum(h[:0])
	return h
}
