package directory

import (
	"encoding/json"
	"fmt"

	"github.com/mr-tron/base58"

	"nym-socks5/mixnet/keys"
)

// A Head names the newest topology document somebody knows. Gateways and
// requesters state theirs, and clients compare: two documents under one
// sequence number mean that the directory shows different networks to different
// people (H24).
type Head struct {
	Network   string
	Sequence  uint64 // zero: none
	Topology  Hash   // of the topology document
	Signature [64]byte
}

// IsZero reports whether h names nothing.
func (h Head) IsZero() bool { return h.Sequence == 0 }

func (h Head) signed() []byte {
	return fmt.Appendf(nil, "nym-socks5 head v1\n%s\n%d\n%s\n", h.Network, h.Sequence, h.Topology)
}

// Sign signs the head with the directory's key.
func (h *Head) Sign(k *keys.IdentityKey) { h.Signature = k.Sign(h.signed()) }

// Verify reports whether key signed the head.
func (h Head) Verify(key keys.Identity) bool { return key.Verify(h.signed(), h.Signature[:]) }

type headJSON struct {
	Network   string `json:"network"`
	Sequence  uint64 `json:"sequence"`
	Topology  string `json:"topology_sha256"`
	Signature string `json:"signature"`
}

// MarshalJSON gives the form of nodes.md §4.11.
func (h Head) MarshalJSON() ([]byte, error) {
	return json.Marshal(headJSON{h.Network, h.Sequence, h.Topology.String(), base58.Encode(h.Signature[:])})
}

// UnmarshalJSON reads that form. It checks no signature.
func (h *Head) UnmarshalJSON(b []byte) error {
	var j headJSON
	err := json.Unmarshal(b, &j)
	if err != nil {
		return fmt.Errorf("%w: head: %v", ErrMalformed, err)
	}
	*h = Head{Network: j.Network, Sequence: j.Sequence}
	if h.Topology, err = ParseHash(j.Topology); err != nil {
		return err
	}
	h.Signature, err = parseSignature(j.Signature)
	return err
}
