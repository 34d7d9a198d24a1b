package broadcast

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var someHash = Hash{0xd5, 0xf2, 31: 0x9a}

func TestRequests(t *testing.T) {
	hash := "d5f2" + strings.Repeat("00", 29) + "9a"
	for _, c := range []struct {
		text string
		want Request
	}{
		{`{"broadcast":1,"id":"7","do":"broadcast","chain":"bitcoin","tx":"02ff","delay":600}`,
			Request{ID: "7", Do: Broadcast, Chain: "bitcoin", Tx: []byte{2, 255}, Delay: new(10 * time.Minute)}},
		{`{"broadcast":1,"do":"broadcast","chain":"x-1","tx":"0x02FF","delay":0,"new":{"things":[]}}`,
			Request{Do: Broadcast, Chain: "x-1", Tx: []byte{2, 255}, Delay: new(time.Duration(0))}},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"02","delay":null,"receipt":false}`,
			Request{Do: Broadcast, Chain: "x", Tx: []byte{2}}},
		{`{"broadcast":1,"id":"8","do":"check","chain":"bitcoin","tx":"02"}`,
			Request{ID: "8", Do: Check, Chain: "bitcoin", Tx: []byte{2}}},
		{`{"broadcast":1,"id":"9","do":"status","chain":"ethereum","hash":"0x` + hash + `","receipt":true}`,
			Request{ID: "9", Do: Status, Chain: "ethereum", Hash: someHash, Receipt: true}},
		{`{"broadcast":1,"id":"10","do":"info"}`, Request{ID: "10", Do: Info}},
	} {
		got, err := ParseRequest([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.text, got, err, c.want)
		}
		again(t, got)
	}
}

// again wants a request to survive being written and read.
func again(t *testing.T, r Request) {
	t.Helper()
	b, err := r.AppendBinary([]byte("x"))
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	back, err := ParseRequest(b[1:])
	if err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%+v is written as %s, and read as %+v, %v", r, b, back, err)
	}
}

func TestRequestsRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, "no JSON object"},
		{`null`, "no JSON object"},
		{`[]`, "no JSON object"},
		{`{"broadcast":1,"do":"info"} x`, "no JSON object"},
		{"{\"broadcast\":1,\"do\":\"info\",\"id\":\"\xff\"}", "no JSON object"},
		{`{"do":"info"}`, "the version: say 1"},
		{`{"Broadcast":1,"do":"info"}`, "the version: say 1"},
		{`{"broadcast":1}`, "there is no do"},
		{`{"broadcast":1,"do":"send"}`, "none of broadcast"},
		{`{"broadcast":1,"do":1}`, "the value of do"},
		{`{"broadcast":1,"do":"info","id":7}`, "the value of id"},
		{`{"broadcast":1,"do":"info","id":"` + strings.Repeat("x", 65) + `"}`, "the id is longer than 64"},
		{`{"broadcast":1,"do":"info","chain":"bitcoin"}`, "leave chain out"},
		{`{"broadcast":1,"do":"info","receipt":true}`, "receipt is for status"},
		{`{"broadcast":1,"do":"broadcast","tx":"02"}`, "no chain of such a name"},
		{`{"broadcast":1,"do":"broadcast","chain":"Bitcoin","tx":"02"}`, "no chain of such a name"},
		{`{"broadcast":1,"do":"broadcast","chain":"-","tx":"02"}`, "no chain of such a name"},
		{`{"broadcast":1,"do":"broadcast","chain":"` + strings.Repeat("x", 33) + `","tx":"02"}`, "no chain of such a name"},
		{`{"broadcast":1,"do":"broadcast","chain":"x"}`, "there is no tx"},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"0x"}`, "there is no tx"},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"021"}`, "tx is not hexadecimal"},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"02","hash":"` + strings.Repeat("02", 32) + `"}`, "hash is for status"},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"02","delay":-1}`, "delay is -1"},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"02","delay":86401}`, "delay is 86401"},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"02","delay":1.5}`, "the value of delay"},
		{`{"broadcast":1,"do":"check","chain":"x","tx":"02","delay":1}`, "delay is for broadcast"},
		{`{"broadcast":1,"do":"status","chain":"x"}`, "there is no hash"},
		{`{"broadcast":1,"do":"status","chain":"x","hash":"02"}`, "64 hexadecimal digits"},
		{`{"broadcast":1,"do":"status","chain":"x","hash":"` + strings.Repeat("02", 32) + `","tx":"02"}`, "tx is for broadcast"},
		{strings.Repeat(" ", MaxRequest+1), "the most are"},
		{`{"broadcast":1,"do":"broadcast","chain":"x","tx":"` + strings.Repeat("02", MaxTx+1) + `"}`, "4194305 bytes, the most are 4194304"},
	} {
		_, err := ParseRequest([]byte(c.text))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80s: got %v, want one that says %q", c.text, err, c.want)
		}
	}
	r, err := ParseRequest([]byte(`{"broadcast":2,"id":"7","do":"info"}`))
	if !errors.Is(err, ErrVersion) || r.ID != "7" {
		t.Errorf("another version: got %+v, %v; want its id and ErrVersion", r, err)
	}
	if r, err := ParseRequest([]byte(`{"broadcast":1,"id":"7","do":"dance"}`)); err == nil || r.ID != "7" {
		t.Errorf("a bad request: got %+v, %v; want its id", r, err)
	}
	for _, r := range []Request{{}, {Do: Info, Chain: "x"}, {Do: Broadcast, Chain: "x", Tx: []byte{1}, Delay: new(time.Duration(1))}} {
		if _, err := r.AppendBinary(nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v is written: %v", r, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	at := time.Date(2026, 5, 16, 6, 27, 52, 0, time.UTC)
	for _, c := range []struct {
		a    Answer
		want string
	}{
		{Answer{ID: "7", Result: Accepted, Chain: "bitcoin", Kind: Bitcoin, Hash: someHash, Reply: []byte(`{"<":1}`), At: at},
			`{"broadcast":1,"id":"7","result":"accepted","chain":"bitcoin","kind":"bitcoin","hash":"d5f2` + strings.Repeat("00", 29) +
				`9a","reply":"{\"<\":1}","at":"2026-05-16T06:27:52Z"}`},
		{Answer{Result: Known, Chain: "e", Kind: Ethereum, Hash: someHash, Receipt: []byte("{}"), Confirmed: true},
			`{"broadcast":1,"result":"known","chain":"e","kind":"ethereum","hash":"0xd5f2` + strings.Repeat("00", 29) +
				`9a","receipt":"{}","confirmed":true}`},
		{Answer{Result: Refused, Reply: []byte{0xff}}, `{"broadcast":1,"result":"refused","reply":"/w==","encoding":"base64"}`},
		{Answer{Result: Limited, After: 90 * time.Second, Reason: "too much"}, `{"broadcast":1,"result":"limited","after":90,"reason":"too much"}`},
		{Answer{Result: Served, Info: &Service{Chains: []Chain{{Name: "e", Kind: Ethereum, Number: 5}, {Name: "b", Kind: Bitcoin, Checks: true}}, Delay: time.Minute, MaxTx: 9}},
			`{"broadcast":1,"result":"info","chains":[{"chain":"e","kind":"ethereum","number":5},{"chain":"b","kind":"bitcoin","check":true}],"delay":60,"maxTx":9}`},
	} {
		got, err := c.a.AppendBinary(nil)
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: got %s, %v; want %s", c.a, got, err, c.want)
		}
		back, err := ParseAnswer(got)
		if c.a.Reply == nil {
			c.a.Reply = []byte{}
		}
		if c.a.Receipt == nil {
			c.a.Receipt = []byte{}
		}
		if err != nil || !reflect.DeepEqual(back, c.a) {
			t.Errorf("%s is read as %+v, %v; want %+v", got, back, err, c.a)
		}
	}
	long, err := Answer{Result: Refused, Reply: bytes.Repeat([]byte{'x'}, MaxReply+1), Receipt: bytes.Repeat([]byte{'x'}, MaxReply+1)}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseAnswer(long); err != nil || len(back.Reply) != MaxReply || !back.Cut || len(back.Receipt) != 0 {
		t.Errorf("a long reply is read as %d bytes, cut: %v, %v", len(back.Reply), back.Cut, err)
	}
}

func TestAnswersRefused(t *testing.T) {
	for _, text := range []string{
		``, `{}`, `{"broadcast":1}`, `{"broadcast":1,"result":""}`, `{"broadcast":1,"result":1}`,
		`{"broadcast":1,"result":"x","encoding":"rot13"}`, `{"broadcast":1,"result":"x","encoding":"base64","reply":"?"}`,
		`{"broadcast":1,"result":"x","hash":"1"}`, `{"broadcast":1,"result":"x","at":"noon"}`,
		`{"broadcast":1,"result":"x","after":-1}`, `{"broadcast":1,"result":"x","maxTx":4194305}`,
		`{"broadcast":1,"result":"x","reason":"` + strings.Repeat("x", MaxReason+1) + `"}`,
		`{"broadcast":1,"result":"x","receipt":"` + strings.Repeat("x", MaxReply+1) + `"}`,
		`{"broadcast":1,"result":"x"}` + strings.Repeat(" ", MaxAnswer),
	} {
		if a, err := ParseAnswer([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.80s: got %+v, %v", text, a, err)
		}
	}
	if _, err := ParseAnswer([]byte(`{"broadcast":2,"result":"x"}`)); !errors.Is(err, ErrVersion) {
		t.Errorf("another version: got %v", err)
	}
}

// What parses is written so that it parses to the same.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"broadcast":1,"id":"7","do":"broadcast","chain":"bitcoin","tx":"02ff","delay":600}`))
	f.Add([]byte(`{"broadcast":1,"do":"status","chain":"e","hash":"0x` + strings.Repeat("02", 32) + `","receipt":true}`))
	f.Add([]byte(`{"broadcast":1,"do":"info"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if r, err := ParseRequest(in); err == nil {
			again(t, r)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"broadcast":1,"id":"7","result":"accepted","kind":"ethereum","hash":"` + strings.Repeat("02", 32) + `","reply":"x","at":"2026-05-16T06:27:52Z"}`))
	f.Add([]byte(`{"broadcast":1,"result":"refused","reply":"/w==","encoding":"base64","cut":true,"receipt":"{}","confirmed":true}`))
	f.Add([]byte(`{"broadcast":1,"result":"info","chains":[{"chain":"e","kind":"ethereum","number":5}],"delay":60,"maxTx":9}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := ParseAnswer(in)
		if err != nil {
			return
		}
		a.At = a.At.Truncate(time.Second)
		a.Confirmed = a.Confirmed && len(a.Receipt) > 0
		out, err := a.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseAnswer(out)
		if err != nil || !reflect.DeepEqual(back, a) {
			t.Fatalf("%q parses as %+v, which is written as %q and parses as %+v, %v", in, a, out, back, err)
		}
	})
}
