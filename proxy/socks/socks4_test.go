package socks

import (
	"strings"
	"testing"
)

// socks.md §19.1: "4a is recognised by an address 0.0.0.x with x ≠ 0."
func TestSOCKS4(t *testing.T) {
	const rejected = "\x00\x5b\x00\x00\x00\x00\x00\x00"
	for _, tt := range []struct {
		name, send, reply, target string
	}{
		{"address", "\x04\x01\x00\x50\xc0\x00\x02\x01me\x00", ok4, "192.0.2.1:80"},
		{"no user id", "\x04\x01\x00\x50\xc0\x00\x02\x01\x00", ok4, "192.0.2.1:80"},
		{"4a", "\x04\x01\x00\x50\x00\x00\x00\x07me\x00example.org\x00", ok4, "example.org:80"},
		{"address 0.0.0.0 is no 4a", "\x04\x01\x00\x50\x00\x00\x00\x00\x00", ok4, "0.0.0.0:80"},
		{"4a with IPv6", "\x04\x01\x00\x50\x00\x00\x00\x01\x002001:db8::1\x00", ok4, "[2001:db8::1]:80"},
		{"4a, longest name", "\x04\x01\x00\x50\x00\x00\x00\x01\x00" + strings.Repeat("abcd.", 50) + "\x00", ok4, strings.Repeat("abcd.", 50) + ":80"},
		{"4a, too long a name", "\x04\x01\x00\x50\x00\x00\x00\x01\x00" + strings.Repeat("a", 256) + "\x00", rejected, ""},
		{"4a, empty name", "\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00", rejected, ""},
		{"long user id", "\x04\x01\x00\x50\xc0\x00\x02\x01" + strings.Repeat("u", 1024) + "\x00", ok4, "192.0.2.1:80"},
		{"too long a user id", "\x04\x01\x00\x50\xc0\x00\x02\x01" + strings.Repeat("u", 1025) + "\x00", rejected, ""},
		{"endless user id", "\x04\x01\x00\x50\xc0\x00\x02\x01" + strings.Repeat("u", 20000), rejected, ""},
		{"BIND", "\x04\x02\x00\x50\xc0\x00\x02\x01\x00", rejected, ""},
		{"port 0", "\x04\x01\x00\x00\xc0\x00\x02\x01\x00", rejected, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(tt.send)
				a.want(tt.reply)
				if tt.target == "" {
					a.wantEnd()
					wantStrings(t, "targets", w.mix.targets())
					return
				}
				a.send("hello")
				a.want("hello")
				wantStrings(t, "targets", w.mix.targets(), tt.target)
			})
		})
	}
}

func TestSOCKS4CutShort(t *testing.T) {
	for _, send := range []string{"\x04", "\x04\x01\x00\x50\xc0\x00\x02", "\x04\x01\x00\x50\xc0\x00\x02\x01me", "\x04\x01\x00\x50\x00\x00\x00\x01\x00exam"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			a := w.app()
			a.send(send)
			a.closeWrite()
			a.wantEnd()
		})
	}
}
