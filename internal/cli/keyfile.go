package cli

import (
	"bytes"
	"encoding/pem"
	"fmt"

	"nym-socks5/mixnet/keys"
)

// A Key is a kind of key that a program keeps in a file.
type Key uint8

// The kinds of key.
const (
	Identity   Key = iota // names a node or client, and signs for it
	Encryption            // opens messages to a client
	Ack                   // seals a client's SURB-ACKs
	Sphinx                // unwraps packets
	Noise                 // of a node's links
	numKeys
)

// kinds says for each Key its file, the type of its PEM block, and its size in bytes.
var kinds = [numKeys]struct {
	name, block string
	size        int
}{
	Identity:   {"identity", "NYM IDENTITY KEY", keys.Size},
	Encryption: {"encryption", "NYM ENCRYPTION KEY", keys.Size},
	Ack:        {"ack", "NYM ACK KEY", keys.SymmetricSize},
	Sphinx:     {"sphinx", "NYM SPHINX KEY", keys.Size},
	Noise:      {"noise", "NYM NOISE KEY", keys.Size},
}

// Keys are a program's keys. Those it did not ask for are nil.
type Keys struct {
	Identity   *keys.IdentityKey
	Encryption *keys.EncryptionKey
	Ack        *keys.Ack
	Sphinx     *keys.SphinxKey
	Noise      *keys.NoiseKey
}

// file is the name of the file with a key.
func (k Key) file() string { return kinds[k].name + ".pem" }

// draw makes a fresh key of this kind.
func (k Key) draw() []byte {
	switch k {
	case Identity:
		b := keys.NewIdentityKey().Seed()
		return b[:]
	case Encryption:
		b := keys.NewEncryptionKey().Bytes()
		return b[:]
	case Ack:
		return keys.NewAck().Bytes()[:]
	case Sphinx:
		return keys.NewSphinxKey().Bytes()[:]
	case Noise:
		b := keys.NewNoiseKey().Bytes()
		return b[:]
	}
	panic("cli: no such kind of key")
}

// put puts the secret of a key where it belongs.
func (ks *Keys) put(k Key, secret []byte) {
	switch k {
	case Identity:
		ks.Identity = keys.IdentityKeyFromSeed([keys.Size]byte(secret))
	case Encryption:
		ks.Encryption = keys.EncryptionKeyFromBytes([keys.Size]byte(secret))
	case Ack:
		ks.Ack = keys.AckFromBytes([keys.SymmetricSize]byte(secret))
	case Sphinx:
		ks.Sphinx = keys.SphinxKeyFromBytes([keys.Size]byte(secret))
	case Noise:
		ks.Noise = keys.NoiseKeyFromBytes([keys.Size]byte(secret))
	}
}

// encode writes the file of a key.
func (k Key) encode(secret []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kinds[k].block, Bytes: secret})
}

// decode reads it: one block of the right type and size, and nothing else.
func (k Key) decode(file []byte) (secret []byte, err error) {
	kind := kinds[k]
	block, rest := pem.Decode(file)
	switch {
	case block == nil:
		return nil, fmt.Errorf("there is no PEM block")
	case block.Type != kind.block:
		return nil, fmt.Errorf("it holds a %q, not a %q", block.Type, kind.block)
	case len(block.Bytes) != kind.size:
		return nil, fmt.Errorf("its key has %d bytes, not %d", len(block.Bytes), kind.size)
	case len(rest) > 0, !bytes.Equal(k.encode(block.Bytes), file):
		return nil, fmt.Errorf("there is more in it than a key")
	}
	return block.Bytes, nil
}
