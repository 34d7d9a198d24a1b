package endpoint

import (
	"context"
	"encoding/json"
	"fmt"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/keys"
)

// Keys are what an endpoint is known by. With the gateway they make its address.
type Keys struct {
	Identity   *keys.IdentityKey
	Encryption *keys.EncryptionKey
	Ack        *keys.Ack
}

// The record of keys that the endpoint drew for itself.
const (
	keysName    = "keys"
	keysVersion = 1
)

type keysJSON struct {
	Identity   string `json:"identity_seed"`
	Encryption string `json:"encryption_key"`
	Ack        string `json:"ack_key"`
}

// loadKeys gives the keys of the record, and draws them the first time.
func loadKeys(ctx context.Context, s Store) (Keys, error) {
	text, err := Text(ctx, s, keysName, keysVersion)
	if err != nil {
		return Keys{}, err
	}
	if text != "" {
		k, err := parseKeys([]byte(text))
		if err != nil {
			err = fmt.Errorf("%w: %s: %v", ErrDamaged, keysName, err)
		}
		return k, err
	}
	k := Keys{keys.NewIdentityKey(), keys.NewEncryptionKey(), keys.NewAck()}
	b, err := k.marshal()
	if err != nil {
		return Keys{}, err
	}
	return k, s.Save(ctx, keysName, Record{keysVersion, b})
}

func (k Keys) marshal() ([]byte, error) {
	seed, enc := k.Identity.Seed(), k.Encryption.Bytes()
	return json.MarshalIndent(keysJSON{base58.Encode(seed[:]), base58.Encode(enc[:]), base58.Encode(k.Ack.Bytes()[:])}, "", "  ")
}

func parseKeys(b []byte) (k Keys, err error) {
	var j keysJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return k, err
	}
	secret := func(name, text string, size int) []byte {
		b, bad := base58.Decode(text)
		if bad != nil || len(b) != size {
			err = fmt.Errorf("%s is no base58 of %d bytes", name, size)
			return make([]byte, size)
		}
		return b
	}
	k.Identity = keys.IdentityKeyFromSeed([keys.Size]byte(secret("identity_seed", j.Identity, keys.Size)))
	k.Encryption = keys.EncryptionKeyFromBytes([keys.Size]byte(secret("encryption_key", j.Encryption, keys.Size)))
	k.Ack = keys.AckFromBytes([keys.SymmetricSize]byte(secret("ack_key", j.Ack, keys.SymmetricSize)))
	if err != nil {
		return Keys{}, err
	}
	return k, nil
}
