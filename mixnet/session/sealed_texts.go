package session

import (
	"encoding/json"
	"fmt"
)

// What stands inside encryptedRequest and encryptedResponse: an object with
// one member, named for the request or the receipt (nodes.md §1.2).
type (
	sealedRequest struct {
		ForgetMe   *forgetMe   `json:"ForgetMe,omitempty"`
		RememberMe *rememberMe `json:"RememberMe,omitempty"`
		UpgradeKey *upgradeKey `json:"UpgradeKey,omitempty"`
	}
	forgetMe struct {
		Client bool `json:"client"`
		Stats  bool `json:"stats"`
	}
	rememberMe struct {
		SessionType SessionType `json:"session_type"`
	}
	// upgradeKey takes the place of a legacy key (nodes.md §1.6).
	upgradeKey struct {
		Salt   octets `json:"hkdf_salt"`          // of upgradeSaltSize
		Digest octets `json:"derived_key_digest"` // of upgradeDigestSize
	}
	sealedResponse struct {
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

func (t SessionType) valid() bool {
	switch t {
	case SessionVPN, SessionMixnet, SessionWASM, SessionNative, SessionSOCKS5, SessionUnknown:
		return true
	}
	return false
}

func encodeSealed(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("session: " + err.Error()) // neither type fails
	}
	return b
}

// parseSealedRequest parses a request with exactly one known member.
func parseSealedRequest(b []byte) (sealedRequest, error) {
	var r sealedRequest
	if err := json.Unmarshal(b, &r); err != nil {
		return sealedRequest{}, fmt.Errorf("%w: sealed request: %v", errMalformed, err)
	}
	if !exactlyOne(r.ForgetMe != nil, r.RememberMe != nil, r.UpgradeKey != nil) {
		return sealedRequest{}, fmt.Errorf("%w: sealed request is none or several", errMalformed)
	}
	if r.RememberMe != nil && !r.RememberMe.SessionType.valid() {
		return sealedRequest{}, fmt.Errorf("%w: sealed request: unknown session type", errMalformed)
	}
	if u := r.UpgradeKey; u != nil && (len(u.Salt) != upgradeSaltSize || len(u.Digest) != upgradeDigestSize) {
		return sealedRequest{}, fmt.Errorf("%w: sealed request: key upgrade with %d bytes of salt and %d of digest, want %d and %d",
			errMalformed, len(u.Salt), len(u.Digest), upgradeSaltSize, upgradeDigestSize)
	}
	return r, nil
}

// parseSealedResponse parses a receipt with exactly one known member.
func parseSealedResponse(b []byte) (sealedResponse, error) {
	var r sealedResponse
	if err := json.Unmarshal(b, &r); err != nil {
		return sealedResponse{}, fmt.Errorf("%w: sealed response: %v", errMalformed, err)
	}
	if !exactlyOne(r.ForgetMeAck != nil, r.RememberMeAck != nil, r.KeyUpgradeAck != nil) {
		return sealedResponse{}, fmt.Errorf("%w: sealed response is none or several", errMalformed)
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
