package protocol

import (
	"encoding/json"
	"fmt"
)

// What stands inside encryptedRequest and encryptedResponse: an object with
// one member, named for the request or the receipt (nodes.md §1.2).
type (
	SealedRequest struct {
		ForgetMe   *ForgetMe   `json:"ForgetMe,omitempty"`
		RememberMe *RememberMe `json:"RememberMe,omitempty"`
		UpgradeKey *UpgradeKey `json:"UpgradeKey,omitempty"`
	}
	ForgetMe struct {
		Client bool `json:"client"`
		Stats  bool `json:"stats"`
	}
	RememberMe struct {
		SessionType SessionType `json:"session_type"`
	}
	// UpgradeKey takes the place of a legacy key (nodes.md §1.6).
	UpgradeKey struct {
		Salt   Octets `json:"hkdf_salt"`          // of upgradeSaltSize
		Digest Octets `json:"derived_key_digest"` // of upgradeDigestSize
	}
	SealedResponse struct {
		ForgetMeAck   *struct{} `json:"ForgetMeAck,omitempty"`
		RememberMeAck *struct{} `json:"RememberMeAck,omitempty"`
		KeyUpgradeAck *struct{} `json:"KeyUpgradeAck,omitempty"`
	}
)

// A SessionType is what a client says its session is for. A gateway uses it
// for statistics at most.
type SessionType string

// The session types.
const (
	SessionVPN     SessionType = "Vpn"
	SessionMixnet  SessionType = "Mixnet"
	SessionWASM    SessionType = "Wasm"
	SessionNative  SessionType = "Native"
	SessionSOCKS5  SessionType = "Socks5"
	SessionUnknown SessionType = "Unknown"
)

// Valid reports whether t is one of the session types.
func (t SessionType) Valid() bool {
	switch t {
	case SessionVPN, SessionMixnet, SessionWASM, SessionNative, SessionSOCKS5, SessionUnknown:
		return true
	}
	return false
}

// EncodeSealed gives the JSON of a SealedRequest or SealedResponse.
func EncodeSealed(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("session: " + err.Error()) // neither type fails
	}
	return b
}

// ParseSealedRequest parses a request with exactly one known member.
func ParseSealedRequest(b []byte) (SealedRequest, error) {
	var r SealedRequest
	if err := json.Unmarshal(b, &r); err != nil {
		return SealedRequest{}, fmt.Errorf("%w: sealed request: %v", ErrMalformed, err)
	}
	if !exactlyOne(r.ForgetMe != nil, r.RememberMe != nil, r.UpgradeKey != nil) {
		return SealedRequest{}, fmt.Errorf("%w: sealed request is none or several", ErrMalformed)
	}
	if r.RememberMe != nil && !r.RememberMe.SessionType.Valid() {
		return SealedRequest{}, fmt.Errorf("%w: sealed request: unknown session type", ErrMalformed)
	}
	if u := r.UpgradeKey; u != nil && (len(u.Salt) != upgradeSaltSize || len(u.Digest) != upgradeDigestSize) {
		return SealedRequest{}, fmt.Errorf("%w: sealed request: key upgrade with %d bytes of salt and %d of digest, want %d and %d",
			ErrMalformed, len(u.Salt), len(u.Digest), upgradeSaltSize, upgradeDigestSize)
	}
	return r, nil
}

// ParseSealedResponse parses a receipt with exactly one known member.
func ParseSealedResponse(b []byte) (SealedResponse, error) {
	var r SealedResponse
	if err := json.Unmarshal(b, &r); err != nil {
		return SealedResponse{}, fmt.Errorf("%w: sealed response: %v", ErrMalformed, err)
	}
	if !exactlyOne(r.ForgetMeAck != nil, r.RememberMeAck != nil, r.KeyUpgradeAck != nil) {
		return SealedResponse{}, fmt.Errorf("%w: sealed response is none or several", ErrMalformed)
	}
	return r, nil
}

func exactlyOne(is ...bool) bool {
	n := 0
	for _, b := range is {
		if b {
			n++
		}
	}
	return n == 1
}
