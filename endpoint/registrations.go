package endpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
)

// registrations keeps what gateways know the endpoint by in the records of a
// Store. It implements [client.Store].
type registrations struct{ store Store }

const registrationVersion = 1

type registrationJSON struct {
	Key  string `json:"session_key"`
	Last int64  `json:"last_login,omitempty"` // Unix seconds
}

// registrationName names the record of a client at a gateway. It is a hash, so
// that names of files tell nobody who the endpoint is or whom it knows.
func registrationName(id, gateway keys.Identity) string {
	sum := sha256.Sum256(append(id[:], gateway[:]...))
	return "registration-" + hex.EncodeToString(sum[:16])
}

// Load implements [client.Store].
func (r registrations) Load(ctx context.Context, id, gateway keys.Identity) (client.Registration, bool, error) {
	name := registrationName(id, gateway)
	text, err := Text(ctx, r.store, name, registrationVersion)
	if err != nil || text == "" {
		return client.Registration{}, false, err
	}
	reg, err := parseRegistration([]byte(text))
	if err != nil {
		return client.Registration{}, false, fmt.Errorf("%w: %s: %v", ErrDamaged, name, err)
	}
	return reg, true, nil
}

// Save implements [client.Store].
func (r registrations) Save(ctx context.Context, id, gateway keys.Identity, reg client.Registration) error {
	j := registrationJSON{Key: base58.Encode(reg.Key.Bytes()[:])}
	if !reg.Last.IsZero() {
		j.Last = reg.Last.Unix()
	}
	b, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return r.store.Save(ctx, registrationName(id, gateway), Record{registrationVersion, b})
}

func parseRegistration(b []byte) (reg client.Registration, err error) {
	var j registrationJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return reg, err
	}
	key, err := base58.Decode(j.Key)
	if err != nil || len(key) != keys.SessionSize || j.Last < 0 {
		return reg, fmt.Errorf("the key is base58 of %d bytes, and the last login a time", keys.SessionSize)
	}
	reg.Key = keys.SessionFromBytes([keys.SessionSize]byte(key))
	if j.Last > 0 {
		reg.Last = time.Unix(j.Last, 0)
	}
	return reg, nil
}
