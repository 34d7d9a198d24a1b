package protocol_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"

	"nym-socks5/internal/vectest"
	"nym-socks5/mixnet"
	. "nym-socks5/proxy/protocol"
)

// testdata/socks.json was made with the reference implementation; it says which.

type vector struct {
	Name   string
	Bytes  string
	Expect struct {
		Accept        bool
		Interface     any
		Protocol      any
		Kind          string
		ConnectionID  string `json:"connection_id"`
		Address       string
		ReturnAddress *string `json:"return_address"`
		Sequence      uint64
		Closed        bool
		Data          string
		Query         string
		Message       string
		Answer        json.RawMessage
		Control       json.RawMessage
	}
}

func readVectors(t *testing.T) (requests, responses []vector) {
	t.Helper()
	var file struct{ Requests, Responses []vector }
	vectest.Read(t, "socks.json", &file)
	if len(file.Requests) == 0 || len(file.Responses) == 0 {
		t.Fatal("no vectors")
	}
	return file.Requests, file.Responses
}

func (v vector) versions() Versions {
	one := func(x any) Version {
		if n, ok := x.(float64); ok {
			return Version(n)
		}
		return Legacy
	}
	return Versions{one(v.Expect.Interface), one(v.Expect.Protocol)}
}

func (v vector) id(t *testing.T) StreamID {
	n, err := strconv.ParseUint(v.Expect.ConnectionID, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return StreamID(n)
}

func TestRequestVectors(t *testing.T) {
	requests, _ := readVectors(t)
	for _, v := range requests {
		t.Run(v.Name, func(t *testing.T) {
			e := v.Expect
			want := Request{Versions: v.versions()}
			switch e.Kind {
			case "connect":
				c := Connect{ID: v.id(t), Target: e.Address}
				if e.ReturnAddress != nil {
					var err error
					if c.Return, err = mixnet.ParseRecipientText(*e.ReturnAddress); err != nil {
						t.Fatal(err)
					}
				}
				want.Body = c
			case "send":
				want.Body = Send{ID: v.id(t), Closed: e.Closed, Seq: e.Sequence, Data: vectest.Unhex(t, e.Data)}
			case "query":
				want.Body = map[string]Query{"OpenProxy": QueryOpenProxy, "Description": QueryDescription, "ExitPolicy": QueryExitPolicy}[e.Query]
			default:
				var name string
				if err := json.Unmarshal(e.Control, &name); err != nil {
					t.Fatal(err)
				}
				kind := map[string]ControlKind{"Health": ControlHealth, "BinaryInfo": ControlBinary, "SupportedRequestVersions": ControlVersions}[name]
				want.Body = Control{Kind: kind, Extra: []byte{}}
			}
			in := vectest.Unhex(t, v.Bytes)
			got, err := ParseRequest(in)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("parsed\n%+v, want\n%+v", got, want)
			}
			if out, err := want.AppendBinary(nil); err != nil || !bytes.Equal(out, in) {
				t.Errorf("encoded\n%x, %v, want\n%x", out, err, in)
			}
		})
	}
}

func TestResponseVectors(t *testing.T) {
	_, responses := readVectors(t)
	for _, v := range responses {
		t.Run(v.Name, func(t *testing.T) {
			e := v.Expect
			want := Response{Versions: v.versions()}
			isJSON := false
			switch e.Kind {
			case "data":
				want.Body = Data{ID: v.id(t), Closed: e.Closed, Seq: e.Sequence, Data: vectest.Unhex(t, e.Data)}
			case "error":
				want.Body = Failure{ID: v.id(t), Text: e.Message}
			case "query":
				want.Body = wantAnswer(t, e.Answer)
			default:
				want.Body, isJSON = wantControl(t, e.Control)
			}
			in := vectest.Unhex(t, v.Bytes)
			got, err := ParseResponse(in)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("parsed\n%+v, want\n%+v", got, want)
			}
			out, err := want.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !isJSON {
				if !bytes.Equal(out, in) {
					t.Errorf("encoded\n%x, want\n%x", out, in)
				}
				return
			}
			if !bytes.Equal(out[:3], in[:3]) || !sameJSON(t, out[3:], in[3:]) {
				t.Errorf("encoded\n%q, want\n%q", out, in)
			}
		})
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

func wantAnswer(t *testing.T, raw []byte) Answer {
	var e struct {
		OpenProxy   *bool
		Description *string
		ExitPolicy  *struct {
			Enabled  bool
			Upstream string
			Policy   *struct {
				Rules []struct {
					Action  string
					Pattern struct {
						IPPattern string `json:"ip_pattern"`
						Ports     struct{ Start, End uint16 }
					}
				}
			}
		}
		Error *struct{ Message string }
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	switch {
	case e.OpenProxy != nil:
		return Answer{Kind: AnswerOpenProxy, OpenProxy: *e.OpenProxy}
	case e.Description != nil:
		return Answer{Kind: AnswerDescription, Description: *e.Description}
	case e.Error != nil:
		return Answer{Kind: AnswerError, Error: e.Error.Message}
	}
	p := ExitPolicy{Enabled: e.ExitPolicy.Enabled, Upstream: e.ExitPolicy.Upstream}
	if e.ExitPolicy.Policy != nil {
		p.Policy = &Policy{}
		actions := map[string]Action{"accept": Accept, "reject": Reject, "accept6": Accept6, "reject6": Reject6}
		for _, r := range e.ExitPolicy.Policy.Rules {
			p.Policy.Rules = append(p.Policy.Rules, Rule{actions[r.Action], r.Pattern.IPPattern, r.Pattern.Ports.Start, r.Pattern.Ports.End})
		}
	}
	return Answer{Kind: AnswerExitPolicy, ExitPolicy: p}
}

func wantControl(t *testing.T, raw []byte) (a ControlAnswer, isJSON bool) {
	if string(raw) == `"Health"` {
		return ControlAnswer{Kind: ControlHealth, Extra: []byte{}}, false
	}
	var e struct {
		BinaryInfo               *BinaryInfo
		SupportedRequestVersions *struct {
			InterfaceVersion string `json:"interface_version"`
			ProviderVersion  string `json:"provider_version"`
		}
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	if e.BinaryInfo != nil {
		return ControlAnswer{Kind: ControlBinary, Binary: *e.BinaryInfo}, true
	}
	if v := e.SupportedRequestVersions; v == nil || v.InterfaceVersion != `{"type":"Versioned","version":3}` || v.ProviderVersion != v.InterfaceVersion {
		t.Fatalf("unexpected vector %s", raw)
	}
	return ControlAnswer{Kind: ControlVersions, Versions: SupportedVersions{3, 3}}, true
}
