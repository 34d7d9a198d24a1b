package protocol

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// nodes.md §1.2: "Unknown extra members are ignored"; §1.3: absence of
// upgrade_mode means false.
func TestTextsReadLeniently(t *testing.T) {
	for in, want := range map[string]Text{
		`{"type":"claimFreeTestnetBandwidth","x":{"y":[1]}}`:                                   ClaimBandwidth{},
		`{"data":[0, 255],"type":"handshakePayload","protocol_version":3,"extra":null}`:        HandshakePayload{ProtocolVersion: 3, Data: Octets{0, 255}},
		`{"type":"handshakePayload","data":[]}`:                                                HandshakePayload{Data: Octets{}},
		`{"type":"handshakePayload","protocol_version":null,"data":[7]}`:                       HandshakePayload{Data: Octets{7}},
		`{"type":"registerHandshakeInitRequest","protocol_version":6,"data":[1]}`:              HandshakePayload{ProtocolVersion: 6, Data: Octets{1}, Initial: true},
		`{"type":"ecashCredential","enc_credential":[1],"nonce":[2]}`:                          EcashCredential{EncCredential: Octets{1}, IV: Octets{2}},
		`{"type":"authenticate","protocol_version":1,"address":"A","enc_address":"B","iv":""}`: AuthenticateV1{1, "A", "B", ""},
		`{"type":"bandwidthCredentialV2"}`:                                                     LegacyRequest{"bandwidthCredentialV2"},
	} {
		if got, err := ParseClientText([]byte(in)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s parses as %#v, %v, want %#v", in, got, err, want)
		}
	}
	for in, want := range map[string]Text{
		`{"type":"register","protocol_version":6,"status":true}`:                    Registered{ProtocolVersion: 6, Status: true},
		`{"type":"bandwidth","available_total":-9223372036854775808}`:               Bandwidth{AvailableTotal: -1 << 63},
		`{"type":"typedError","error":"ticket_replay","more":1}`:                    TypedError{GatewayError{Name: "ticket_replay"}},
		`{"type":"send","upgrade_mode":true,"remaining_bandwidth":5}`:               Sent{RemainingBandwidth: 5, UpgradeMode: true},
		`{"type":"typedError","error":{"out_of_bandwidth":{"available":-1,"x":1}}}`: TypedError{GatewayError{OutOfBandwidth: &OutOfBandwidth{Available: -1}}},
	} {
		if got, err := ParseGatewayText([]byte(in)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s parses as %#v, %v, want %#v", in, got, err, want)
		}
	}
}

func TestMalformedTexts(t *testing.T) {
	deep := strings.Repeat("[", 20000)
	for _, in := range []string{
		``, `null`, `[]`, `"supportedProtocol"`, `{}`, `{"type":7}`, `{"type":"nothing"}`,
		`{"type":"supportedProtocol"`, `{"type":"supportedProtocol"}{}`,
		`{"type":"handshakePayload","protocol_version":256,"data":[]}`,
		`{"type":"handshakePayload","protocol_version":-1,"data":[]}`,
		`{"type":"handshakePayload","protocol_version":"6","data":[]}`,
		`{"type":"handshakePayload","data":[256]}`,
		`{"type":"handshakePayload","data":[-1]}`,
		`{"type":"handshakePayload","data":[1.5]}`,
		`{"type":"handshakePayload","data":["1"]}`,
		`{"type":"handshakePayload","data":[null]}`,
		`{"type":"handshakePayload","data":"AQ=="}`,
		`{"type":"handshakePayload","data":{}}`,
		`{"type":"handshakePayload","data":null}`,
		`{"type":"authenticateV2","nonce":"!"}`,
		`{"type":"authenticateV2","requestUnixTimestamp":-1}`,
		`{"type":"encryptedRequest","ciphertext":` + deep + `}`,
	} {
		if got, err := ParseClientText([]byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.80s parses as %#v, %v, want errMalformed", in, got, err)
		}
	}
	for _, in := range []string{
		`{"type":"authenticateV2"}`,
		`{"type":"typedError","error":{"other":1}}`,
		`{"type":"typedError","error":3}`,
		`{"type":"typedError","error":""}`,
		`{"type":"typedError"}`,
		`{"type":"bandwidth","available_total":9223372036854775808}`,
		`{"type":"register","status":1}`,
	} {
		if got, err := ParseGatewayText([]byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s parses as %#v, %v, want errMalformed", in, got, err)
		}
	}
}

func TestMalformedSealedTexts(t *testing.T) {
	upgrade := func(salt, digest int) string {
		return string(EncodeSealed(SealedRequest{UpgradeKey: &UpgradeKey{Salt: fill(1, salt), Digest: fill(2, digest)}}))
	}
	if _, err := ParseSealedRequest([]byte(upgrade(16, 32))); err != nil {
		t.Error(err)
	}
	for _, in := range []string{
		``, `{}`, `[]`, `"ForgetMe"`, `{"ForgetMe":null}`, `{"RememberMe":{"session_type":"mixnet"}}`, `{"RememberMe":{}}`,
		`{"UpgradeKey":{"hkdf_salt":"AQ=="}}`, `{"UpgradeKey":{},"RememberMe":{"session_type":"Vpn"}}`,
		`{"ForgetMe":{"client":true},"RememberMe":{"session_type":"Vpn"}}`,
		`{"UpgradeKey":{}}`, upgrade(0, 0), upgrade(15, 32), upgrade(17, 32), upgrade(16, 31), upgrade(16, 33),
	} {
		if got, err := ParseSealedRequest([]byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s parses as %+v, %v, want errMalformed", in, got, err)
		}
	}
	for _, in := range []string{`{}`, `{"KeyUpgradeAck":{},"RememberMeAck":{}}`, `{"ForgetMeAck":{},"RememberMeAck":{}}`} {
		if got, err := ParseSealedResponse([]byte(in)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s parses as %+v, %v, want errMalformed", in, got, err)
		}
	}
}

// JSON has many spellings of one text; ours must read back as the same.
func fuzzTexts(f *testing.F, seeds map[string]string, parse func([]byte) (Text, error)) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		first, err := parse(in)
		if err != nil {
			return
		}
		if p, ok := first.(HandshakePayload); ok {
			p.Initial = false // has no spelling of its own
			first = p
		}
		if _, ok := first.(LegacyRequest); ok {
			return // never written
		}
		out := EncodeText(first)
		second, err := parse(out)
		if err != nil {
			t.Fatalf("%s parses as %#v, which encodes as %s: %v", in, first, out, err)
		}
		if again := EncodeText(second); string(again) != string(out) {
			t.Fatalf("%s encodes as %s, then as %s", in, out, again)
		}
	})
}

func FuzzParseClientText(f *testing.F) {
	fuzzTexts(f, loadVectors(f, "gateway.json").ClientTexts, ParseClientText)
}

func FuzzParseGatewayText(f *testing.F) {
	fuzzTexts(f, loadVectors(f, "gateway.json").GatewayTexts, ParseGatewayText)
}

func FuzzParseSealedTexts(f *testing.F) {
	f.Add([]byte(`{"ForgetMe":{"client":true,"stats":false}}`))
	f.Add([]byte(`{"RememberMe":{"session_type":"Wasm"}}`))
	f.Add(EncodeSealed(SealedRequest{UpgradeKey: &UpgradeKey{Salt: fill(1, 16), Digest: fill(2, 32)}}))
	f.Add([]byte(`{"UpgradeKey":{}}`))
	f.Add([]byte(`{"ForgetMeAck":{}}`))
	f.Add([]byte(`{"KeyUpgradeAck":{}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if r, err := ParseSealedRequest(in); err == nil {
			if again, err := ParseSealedRequest(EncodeSealed(r)); err != nil || !reflect.DeepEqual(r, again) {
				t.Fatalf("%s: request %+v, then %+v, %v", in, r, again, err)
			}
		}
		if r, err := ParseSealedResponse(in); err == nil {
			if again, err := ParseSealedResponse(EncodeSealed(r)); err != nil || !reflect.DeepEqual(r, again) {
				t.Fatalf("%s: response %+v, then %+v, %v", in, r, again, err)
			}
		}
	})
}
