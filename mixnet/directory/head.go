package directory

import (
	"encoding/json"
	"fmt"

	"nym-socks5/internal/base58"
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
	// Chain is the hash of the whole history up to this document; zero: it is not
	// stated. It is signed apart, for readers that know nothing of it.
	Chain          Hash
	ChainSignature [64]byte
}

// Same reports whether two heads name the same document under the same number.
func (h Head) Same(o Head) bool { return h.Sequence == o.Sequence && h.Topology == o.Topology }

// IsZero reports whether h names nothing.
func (h Head) IsZero() bool { return h.Sequence == 0 }

func (h Head) signed() []byte {
	return fmt.Appendf(nil, "nym-socks5 head v1\n%s\n%d\n%s\n", h.Network, h.Sequence, h.Topology)
}

func (h Head) signedChain() []byte {
	return fmt.Appendf(nil, "nym-socks5 head v2\n%s\n%d\n%s\n%s\n", h.Network, h.Sequence, h.Topology, h.Chain)
}

// Sign signs the head with the directory's key.
func (h *Head) Sign(k *keys.IdentityKey) {
	h.Signature = k.Sign(h.signed())
	h.ChainSignature = [64]byte{}
	if h.Chain != (Hash{}) {
		h.ChainSignature = k.Sign(h.signedChain())
	}
}

// Verify reports whether key signed the head.
func (h Head) Verify(key keys.Identity) bool {
	return key.Verify(h.signed(), h.Signature[:]) && (h.Chain == (Hash{}) || key.Verify(h.signedChain(), h.ChainSignature[:]))
}

type headJSON struct {
	Network   string `json:"network"`
	Sequence  uint64 `json:"sequence"`
	Topology  string `json:"topology_sha256"`
	Signature string `json:"signature"`

	Chain          string `json:"chain_sha256,omitempty"`
	ChainSignature string `json:"chain_signature,omitempty"`
}

// MarshalJSON gives the form of nodes.md §4.11.
func (h Head) MarshalJSON() ([]byte, error) {
	j := headJSON{Network: h.Network, Sequence: h.Sequence, Topology: h.Topology.String(), Signature: base58.Encode(h.Signature[:])}
	if h.Chain != (Hash{}) {
		j.Chain, j.ChainSignature = h.Chain.String(), base58.Encode(h.ChainSignature[:])
	}
	return json.Marshal(j)
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
	if h.Signature, err = parseSignature(j.Signature); err != nil || j.Chain == "" {
		return err
	}
	if h.Chain, err = ParseHash(j.Chain); err != nil {
		return err
	}
	if h.Chain == (Hash{}) {
		return fmt.Errorf("%w: head: the chain of nothing", ErrMalformed)
	}
	h.ChainSignature, err = parseSignature(j.ChainSignature)
	return err
}
