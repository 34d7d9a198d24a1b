package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Protocol versions (nodes.md §1.4).
const (
	// Version is the newest we speak, and what a gateway announces.
	Version = 6
	// MinVersion is the oldest a client of ours puts up with: the first with authenticateV2.
	MinVersion = 4
	// RotationVersion is the first with binary kind 2.
	RotationVersion = 5
)

// A Text is a control message: a JSON object with its kind as member "type"
// (nodes.md §1.2, §1.3).
type Text interface{ Kind() string }

// Octets are bytes that JSON carries as an array of numbers.
type Octets []byte

// MarshalJSON implements [json.Marshaler].
func (o Octets) MarshalJSON() ([]byte, error) {
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
func (o *Octets) UnmarshalJSON(b []byte) error {
	var numbers []byteNumber
	if err := json.Unmarshal(b, &numbers); err != nil {
		return err
	}
	if numbers == nil {
		return fmt.Errorf("%w: no byte array", ErrMalformed)
	}
	*o = make(Octets, len(numbers))
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

// Texts that go both ways.
type (
	HandshakePayload struct {
		ProtocolVersion uint8  `json:"protocol_version"`
		Data            Octets `json:"data"`
		// Initial says that it came under the other name an opening may have.
		Initial bool `json:"-"`
	}
	HandshakeError struct {
		Message string `json:"message"`
	}
)

func (HandshakePayload) Kind() string { return "handshakePayload" }
func (HandshakeError) Kind() string   { return "handshakeError" }

// Texts of a client.
type (
	AskProtocol  struct{}
	Authenticate struct {
		ProtocolVersion      uint8  `json:"protocolVersion"`
		ClientIdentity       Octets `json:"clientIdentity"`
		AddressCiphertext    []byte `json:"addressCiphertext"`
		Nonce                []byte `json:"nonce"`
		RequestUnixTimestamp uint64 `json:"requestUnixTimestamp"`
		RequestSignature     Octets `json:"requestSignature"`
	}
	// AuthenticateV1 is the request of before version 4, undated and unsigned.
	AuthenticateV1 struct {
		ProtocolVersion uint8  `json:"protocol_version"`
		Address         string `json:"address"`
		EncAddress      string `json:"enc_address"`
		IV              string `json:"iv"`
	}
	ClaimBandwidth   struct{}
	EncryptedRequest struct {
		Ciphertext Octets `json:"ciphertext"`
		Nonce      Octets `json:"nonce"`
	}
	EcashCredential struct {
		EncCredential Octets `json:"enc_credential"`
		IV            Octets `json:"iv"`
	}
	UpgradeModeToken struct {
		Token string `json:"token"`
	}
	// LegacyRequest is a request of a generation that is never served.
	LegacyRequest struct{ Name string }
)

func (AskProtocol) Kind() string      { return "supportedProtocol" }
func (Authenticate) Kind() string     { return "authenticateV2" }
func (AuthenticateV1) Kind() string   { return "authenticate" }
func (ClaimBandwidth) Kind() string   { return "claimFreeTestnetBandwidth" }
func (EncryptedRequest) Kind() string { return "encryptedRequest" }
func (EcashCredential) Kind() string  { return "ecashCredential" }
func (UpgradeModeToken) Kind() string { return "upgradeModeJWT" }
func (l LegacyRequest) Kind() string  { return l.Name }

// Texts of a gateway.
type (
	SupportedProtocol struct {
		Version uint8 `json:"version"`
	}
	Registered struct {
		ProtocolVersion uint8 `json:"protocol_version"`
		Status          bool  `json:"status"`
		UpgradeMode     bool  `json:"upgrade_mode"`
	}
	Authenticated struct {
		ProtocolVersion    uint8 `json:"protocol_version"`
		Status             bool  `json:"status"`
		BandwidthRemaining int64 `json:"bandwidth_remaining"`
		UpgradeMode        bool  `json:"upgrade_mode"`
	}
	Bandwidth struct {
		AvailableTotal int64 `json:"available_total"`
		UpgradeMode    bool  `json:"upgrade_mode"`
	}
	Sent struct {
		RemainingBandwidth int64 `json:"remaining_bandwidth"`
		UpgradeMode        bool  `json:"upgrade_mode"`
	}
	EncryptedResponse struct {
		Ciphertext Octets `json:"ciphertext"`
		Nonce      Octets `json:"nonce"`
	}
	ErrorText struct {
		Message string `json:"message"`
	}
	TypedError struct {
		Error GatewayError `json:"error"`
	}
)

func (SupportedProtocol) Kind() string { return "supportedProtocol" }
func (Registered) Kind() string        { return "register" }
func (Authenticated) Kind() string     { return "authenticate" }
func (Bandwidth) Kind() string         { return "bandwidth" }
func (Sent) Kind() string              { return "send" }
func (EncryptedResponse) Kind() string { return "encryptedResponse" }
func (ErrorText) Kind() string         { return "error" }
func (TypedError) Kind() string        { return "typedError" }

// A GatewayError is what a TypedError says: an object with one member, or,
// if OutOfBandwidth is nil, just a name.
type GatewayError struct {
	OutOfBandwidth *OutOfBandwidth
	Name           string
}

// OutOfBandwidth says how much bandwidth in bytes a request needs, and how much
// is left.
type OutOfBandwidth struct {
	Required  int64 `json:"required"`
	Available int64 `json:"available"`
}

type outOfBandwidthError struct {
	OutOfBandwidth *OutOfBandwidth `json:"out_of_bandwidth"`
}

// MarshalJSON implements [json.Marshaler].
func (e GatewayError) MarshalJSON() ([]byte, error) {
	if e.OutOfBandwidth != nil {
		return json.Marshal(outOfBandwidthError{e.OutOfBandwidth})
	}
	return json.Marshal(e.Name)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *GatewayError) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &e.Name) == nil && e.Name != "" {
		return nil
	}
	var o outOfBandwidthError
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	if o.OutOfBandwidth == nil {
		return fmt.Errorf("%w: typed error of an unknown form", ErrMalformed)
	}
	e.OutOfBandwidth = o.OutOfBandwidth
	return nil
}

// EncodeText gives the JSON of t as the reference writes it: compact, the type
// first, no HTML escapes.
func EncodeText(t Text) []byte {
	var b bytes.Buffer
	b.WriteString(`{"type":"` + t.Kind() + `"`)
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

// ParseClientText parses what a client sends. Its errors wrap [ErrMalformed].
func ParseClientText(b []byte) (Text, error) {
	name, err := textKind(b)
	if err != nil {
		return nil, err
	}
	switch name {
	case "supportedProtocol":
		return AskProtocol{}, nil
	case "handshakePayload":
		return parseAs[HandshakePayload](b)
	case "registerHandshakeInitRequest":
		p, err := parseAs[HandshakePayload](b)
		if err != nil {
			return nil, err
		}
		opening := p.(HandshakePayload)
		opening.Initial = true
		return opening, nil
	case "handshakeError":
		return parseAs[HandshakeError](b)
	case "authenticateV2":
		return parseAs[Authenticate](b)
	case "claimFreeTestnetBandwidth":
		return ClaimBandwidth{}, nil
	case "encryptedRequest":
		return parseAs[EncryptedRequest](b)
	case "ecashCredential":
		return parseEcash(b)
	case "upgradeModeJWT":
		return parseAs[UpgradeModeToken](b)
	case "authenticate":
		return parseAs[AuthenticateV1](b)
	case "bandwidthCredential", "bandwidthCredentialV2":
		return LegacyRequest{name}, nil
	}
	return nil, fmt.Errorf("%w: text of an unknown type", ErrMalformed)
}

// ParseGatewayText parses what a gateway sends. Its errors wrap [ErrMalformed].
func ParseGatewayText(b []byte) (Text, error) {
	name, err := textKind(b)
	if err != nil {
		return nil, err
	}
	switch name {
	case "supportedProtocol":
		return parseAs[SupportedProtocol](b)
	case "handshakePayload":
		return parseAs[HandshakePayload](b)
	case "handshakeError":
		return parseAs[HandshakeError](b)
	case "register":
		return parseAs[Registered](b)
	case "authenticate":
		return parseAs[Authenticated](b)
	case "bandwidth":
		return parseAs[Bandwidth](b)
	case "send":
		return parseAs[Sent](b)
	case "encryptedResponse":
		return parseAs[EncryptedResponse](b)
	case "error":
		return parseAs[ErrorText](b)
	case "typedError":
		t, err := parseAs[TypedError](b)
		if err == nil && t.(TypedError).Error == (GatewayError{}) {
			return nil, fmt.Errorf("%w: typedError without an error", ErrMalformed)
		}
		return t, err
	}
	return nil, fmt.Errorf("%w: text of an unknown type", ErrMalformed)
}

func textKind(b []byte) (string, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", fmt.Errorf("%w: text: %v", ErrMalformed, err)
	}
	return head.Type, nil
}

func parseAs[T Text](b []byte) (Text, error) {
	var t T
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrMalformed, t.Kind(), err)
	}
	return t, nil
}

// parseEcash knows both names of the nonce.
func parseEcash(b []byte) (Text, error) {
	var both struct {
		EcashCredential
		Nonce Octets `json:"nonce"`
	}
	if err := json.Unmarshal(b, &both); err != nil {
		return nil, fmt.Errorf("%w: ecashCredential: %v", ErrMalformed, err)
	}
	if both.IV == nil {
		both.IV = both.Nonce
	}
	return both.EcashCredential, nil
}
