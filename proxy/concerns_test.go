package proxy

import (
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
	"nym-socks5/proxy/protocol"
)

// What belongs to streams is told from what does not, for who shares a Messenger.
func TestConcerns(t *testing.T) {
	const host = "peer.invalid"
	synctest.Test(t, func(t *testing.T) {
		pair := mixnettest.NewPair(mixnettest.Options{Seed: 1})
		p := New(pair.A, Config{Serve: true})
		request := func(v protocol.Versions, b protocol.RequestBody) []byte {
			body, err := protocol.Request{Versions: v, Body: b}.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			return body
		}
		note, err := protocol.Note{Op: protocol.NoteHello}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		now, old := protocol.CurrentVersions, protocol.Versions{Interface: protocol.Current}
		hello := request(now, protocol.Control{Kind: protocol.ControlBinary, Extra: note})
		data := request(now, protocol.Send{ID: 1, Data: []byte("x")})
		stranger, friend, ours, former := mixnet.NewSenderTag(), mixnet.NewSenderTag(), mixnet.NewSenderTag(), mixnet.NewSenderTag()
		p.byTag[ours] = &identity{tag: ours}
		p.byTag[former] = &identity{tag: former}
		p.forgetIdentity(p.byTag[former])
		p.dispatch(mixnet.Message{From: friend, Body: hello})
		for _, row := range []struct {
			name  string
			m     mixnet.Message
			early bool
			want  bool
		}{
			{"an answer to a tag of ours", mixnet.Message{To: ours, Body: []byte("x")}, false, true},
			{"an answer to a former tag", mixnet.Message{To: former, Body: []byte("x")}, false, true},
			{"an answer to another's tag", mixnet.Message{To: stranger, Body: data}, true, false},
			{"a note", mixnet.Message{From: stranger, Body: hello}, false, true},
			{"a note without a tag", mixnet.Message{Body: hello}, true, false},
			{"a control request without a note", mixnet.Message{From: stranger, Body: request(now, protocol.Control{Kind: protocol.ControlBinary})}, true, false},
			{"a Connect to us", mixnet.Message{From: stranger, Body: request(now, protocol.Connect{ID: 1, Target: host + ":7"})}, false, true},
			{"a Connect to another host", mixnet.Message{From: stranger, Body: request(now, protocol.Connect{ID: 1, Target: "example.org:7"})}, true, false},
			{"early data", mixnet.Message{From: stranger, Body: data}, true, true},
			{"early data, not awaited", mixnet.Message{From: stranger, Body: data}, false, false},
			{"early data of an older version", mixnet.Message{From: stranger, Body: request(old, protocol.Send{ID: 1})}, true, false},
			{"early data of no stream", mixnet.Message{From: stranger, Body: request(now, protocol.Send{})}, true, false},
			{"early data without a tag", mixnet.Message{Body: data}, true, false},
			{"a query", mixnet.Message{From: stranger, Body: request(now, protocol.Query(0))}, true, false},
			{"text", mixnet.Message{From: stranger, Body: []byte("hello")}, true, false},
			{"nothing", mixnet.Message{From: stranger}, true, false},
			{"data of a friend", mixnet.Message{From: friend, Body: data}, false, true},
			{"text of a friend", mixnet.Message{From: friend, Body: []byte("hello")}, true, false},
		} {
			if got := p.Concerns(row.m, host, row.early); got != row.want {
				t.Errorf("%s: got %v", row.name, got)
			}
		}
		time.Sleep(3 * kindAge)
		if p.Concerns(mixnet.Message{From: friend, Body: data}, host, false) {
			t.Error("a friend of long ago is still known")
		}
		if New(pair.A, Config{}).Concerns(mixnet.Message{From: friend, Body: hello}, host, true) {
			t.Error("strangers concern a Proxy that does not serve")
		}
	})
}
