package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Protocol versions (nodes.md §1.4).
const (
	// version is the newest we speak, and what a gateway announces.
	version = 6
	// minVersion is the oldest a client of ours puts up with: the first with authenticateV2.
	minVersion = 4
	// rotationVersion is the first with binary kind 2.
	rotationVersion = 5
)

// errMalformed reports a message no conforming peer sends.
var errMalformed = errors.New("session: malformed")

// A text is a control message: a JSON object with its kind as member "type"
// (nodes.md §1.2, §1.3).
type text interface{ kind() string }

// octets are bytes that JSON carries as an array of numbers.
type octets []byte

// MarshalJSON implements [json.Marshaler].
func (o octets) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 4*len(o)+2), '[')
	for i, v := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (o *octets) UnmarshalJSON(b []byte) error {
	var numbers []byteNumber
	if err := json.Unmarshal(b, &numbers); err != nil {
		return err
	}
	if numbers == nil {
		return fmt.Errorf("%w: no byte array", errMalformed)
	}
	*o = make(octets, len(numbers))
	for i, n := range numbers {
		(*o)[i] = byte(n)
	}
	return nil
}

// A byteNumber is a number from 0 to 255. It is no uint8, since encoding/json
// takes a string for a slice of those.
type byteNumber uint16

// UnmarshalJSON implements [json.Unmarshaler].
func (n *byteNumber) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseUint(string(b), 10, 8)
	*n = byteNumber(v)
	return err
}

// Both ways.
type (
	handshakePayload struct {
		ProtocolVersion uint8  `json:"protocol_version"`
		Data            octets `json:"data"`
		// initial says that it came under the other name an opening may have.
		initial bool
	}
	handshakeError struct {
		Message string `json:"message"`
	}
)

func (handshakePayload) kind() string { return "handshakePayload" }
func (handshakeError) kind() string   { return "handshakeError" }

// Client to gateway.
type (
	askProtocol  struct{}
	authenticate struct {
		ProtocolVersion      uint8  `json:"protocolVersion"`
		ClientIdentity       octets `json:"clientIdentity"`
		AddressCiphertext    []byte `json:"addressCiphertext"`
		Nonce                []byte `json:"nonce"`
		RequestUnixTimestamp uint64 `json:"requestUnixTimestamp"`
		RequestSignature     octets `json:"requestSignature"`
	}
	// authenticateV1 is the request of before version 4, undated and unsigned.
	authenticateV1 struct {
		ProtocolVersion uint8  `json:"protocol_version"`
		Address         string `json:"address"`
		EncAddress      string `json:"enc_address"`
		IV              string `json:"iv"`
	}
	claimBandwidth   struct{}
	encryptedRequest struct {
		Ciphertext octets `json:"ciphertext"`
		Nonce      octets `json:"nonce"`
	}
	ecashCredential struct {
		EncCredential octets `json:"enc_credential"`
		IV            octets `json:"iv"`
	}
	upgradeModeToken struct {
		Token string `json:"token"`
	}
	// legacyRequest is a request of a generation that is never served.
	legacyRequest struct{ name string }
)

func (askProtocol) kind() string      { return "supportedProtocol" }
func (authenticate) kind() string     { return "authenticateV2" }
func (authenticateV1) kind() string   { return "authenticate" }
func (claimBandwidth) kind() string   { return "claimFreeTestnetBandwidth" }
func (encryptedRequest) kind() string { return "encryptedRequest" }
func (ecashCredential) kind() string  { return "ecashCredential" }
func (upgradeModeToken) kind() string { return "upgradeModeJWT" }
func (l legacyRequest) kind() string  { return l.name }

// Gateway to client.
type (
	supportedProtocol struct {
		Version uint8 `json:"version"`
	}
	registered struct {
		ProtocolVersion uint8 `json:"protocol_version"`
		Status          bool  `json:"status"`
		UpgradeMode     bool  `json:"upgrade_mode"`
	}
	authenticated struct {
		ProtocolVersion    uint8 `json:"protocol_version"`
		Status             bool  `json:"status"`
		BandwidthRemaining int64 `json:"bandwidth_remaining"`
		UpgradeMode        bool  `json:"upgrade_mode"`
	}
	bandwidth struct {
		AvailableTotal int64 `json:"available_total"`
		UpgradeMode    bool  `json:"upgrade_mode"`
	}
	sent struct {
		RemainingBandwidth int64 `json:"remaining_bandwidth"`
		UpgradeMode        bool  `json:"upgrade_mode"`
	}
	encryptedResponse struct {
		Ciphertext octets `json:"ciphertext"`
		Nonce      octets `json:"nonce"`
	}
	errorText struct {
		Message string `json:"message"`
	}
	typedError struct {
		Error gatewayError `json:"error"`
	}
)

func (supportedProtocol) kind() string { return "supportedProtocol" }
func (registered) kind() string        { return "register" }
func (authenticated) kind() string     { return "authenticate" }
func (bandwidth) kind() string         { return "bandwidth" }
func (sent) kind() string              { return "send" }
func (encryptedResponse) kind() string { return "encryptedResponse" }
func (errorText) kind() string         { return "error" }
func (typedError) kind() string        { return "typedError" }

// A gatewayError is what a typedError says: an object with one member, or,
// if outOfBandwidth is nil, just a name.
type gatewayError struct {
	outOfBandwidth *outOfBandwidth
	name           string
}

type outOfBandwidth struct {
	Required  int64 `json:"required"`
	Available int64 `json:"available"`
}

type outOfBandwidthError struct {
	OutOfBandwidth *outOfBandwidth `json:"out_of_bandwidth"`
}

// MarshalJSON implements [json.Marshaler].
func (e gatewayError) MarshalJSON() ([]byte, error) {
	if e.outOfBandwidth != nil {
		return json.Marshal(outOfBandwidthError{e.outOfBandwidth})
	}
	return json.Marshal(e.name)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *gatewayError) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &e.name) == nil && e.name != "" {
		return nil
	}
	var o outOfBandwidthError
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	if o.OutOfBandwidth == nil {
		return fmt.Errorf("%w: typed error of an unknown form", errMalformed)
	}
	e.outOfBandwidth = o.OutOfBandwidth
	return nil
}

// encodeText gives the JSON of t as the reference writes it: compact, the type
// first, no HTML escapes.
func encodeText(t text) []byte {
	var b bytes.Buffer
	b.WriteString(`{"type":"` + t.kind() + `"`)
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(t); err != nil {
		panic("session: " + err.Error()) // none of the types above fails
	}
	members := bytes.TrimSpace(body.Bytes())
	if len(members) > len("{}") {
		b.WriteByte(',')
		b.Write(members[1:])
	} else {
		b.WriteByte('}')
	}
	return b.Bytes()
}

// parseClientText parses what a client sends. Its errors wrap [errMalformed].
func parseClientText(b []byte) (text, error) {
	name, err := textKind(b)
	if err != nil {
		return nil, err
	}
	switch name {
	case "supportedProtocol":
		return askProtocol{}, nil
	case "handshakePayload":
		return parseAs[handshakePayload](b)
	case "registerHandshakeInitRequest":
		p, err := parseAs[handshakePayload](b)
		if err != nil {
			return nil, err
		}
		opening := p.(handshakePayload)
		opening.initial = true
		return opening, nil
	case "handshakeError":
		return parseAs[handshakeError](b)
	case "authenticateV2":
		return parseAs[authenticate](b)
	case "claimFreeTestnetBandwidth":
		return claimBandwidth{}, nil
	case "encryptedRequest":
		return parseAs[encryptedRequest](b)
	case "ecashCredential":
		return parseEcash(b)
	case "upgradeModeJWT":
		return parseAs[upgradeModeToken](b)
	case "authenticate":
		return parseAs[authenticateV1](b)
	case "bandwidthCredential", "bandwidthCredentialV2":
		return legacyRequest{name}, nil
	}
	return nil, fmt.Errorf("%w: text of an unknown type", errMalformed)
}

// parseGatewayText parses what a gateway sends. Its errors wrap [errMalformed].
func parseGatewayText(b []byte) (text, error) {
	name, err := textKind(b)
	if err != nil {
		return nil, err
	}
	switch name {
	case "supportedProtocol":
		return parseAs[supportedProtocol](b)
	case "handshakePayload":
		return parseAs[handshakePayload](b)
	case "handshakeError":
		return parseAs[handshakeError](b)
	case "register":
		return parseAs[registered](b)
	case "authenticate":
		return parseAs[authenticated](b)
	case "bandwidth":
		return parseAs[bandwidth](b)
	case "send":
		return parseAs[sent](b)
	case "encryptedResponse":
		return parseAs[encryptedResponse](b)
	case "error":
		return parseAs[errorText](b)
	case "typedError":
		t, err := parseAs[typedError](b)
		if err == nil && t.(typedError).Error == (gatewayError{}) {
			return nil, fmt.Errorf("%w: typedError without an error", errMalformed)
		}
		return t, err
	}
	return nil, fmt.Errorf("%w: text of an unknown type", errMalformed)
}

func textKind(b []byte) (string, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", fmt.Errorf("%w: text: %v", errMalformed, err)
	}
	return head.Type, nil
}

func parseAs[T text](b []byte) (text, error) {
	var t T
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", errMalformed, t.kind(), err)
	}
	return t, nil
}

// parseEcash knows both names of the nonce.
func parseEcash(b []byte) (text, error) {
	var both struct {
		ecashCredential
		Nonce octets `json:"nonce"`
	}
	if err := json.Unmarshal(b, &both); err != nil {
		return nil, fmt.Errorf("%w: ecashCredential: %v", errMalformed, err)
	}
	if both.IV == nil {
		both.IV = both.Nonce
	}
	return both.ecashCredential, nil
}
