package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/keys"
)

// noiseJSON is the record of the Noise key before.
type noiseJSON struct {
	Key   string    `json:"noise_key"`
	Until time.Time `json:"until"`
}

// KeepPreviousNoise has a Noise key that is about to be renewed used a while longer:
// other nodes know this one by it until they have read a topology that has the new
// one.
func KeepPreviousNoise(records endpoint.Store, key *keys.NoiseKey, until time.Time) error {
	b := key.Bytes()
	text, err := json.Marshal(noiseJSON{base58.Encode(b[:]), until.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return save(records, noiseRecord, text)
}

// PreviousNoise is the Noise key before; nil: there is none that is used. One whose
// time is over is removed.
func PreviousNoise(records endpoint.Store) (*keys.NoiseKey, error) {
	text, err := endpoint.Text(context.Background(), records, noiseRecord, recordVersion)
	if err != nil || text == "" {
		return nil, err
	}
	var j noiseJSON
	err = json.Unmarshal([]byte(text), &j)
	key, bad := base58.Decode(j.Key)
	if err != nil || bad != nil || len(key) != keys.Size || j.Until.IsZero() {
		return nil, fmt.Errorf("%w: %s: it has no base58 of %d bytes and a time", endpoint.ErrDamaged, noiseRecord, keys.Size)
	}
	if !time.Now().Before(j.Until) {
		return nil, save(records, noiseRecord, nil)
	}
	return keys.NoiseKeyFromBytes([keys.Size]byte(key)), nil
}
