package socks

import (
	"slices"
	"testing"
)

// socks.md §20.1: go-socks5 takes the first method of the client's list, so
// "a client offering (0, 2) gets no-auth and its credentials … are never seen".
func TestPasswordCountsWhereverItStands(t *testing.T) {
	for _, tt := range []struct {
		name, greeting, chosen string
	}{
		{"only", "\x05\x01\x02", "\x05\x02"},
		{"first", "\x05\x02\x02\x00", "\x05\x02"},
		{"second", "\x05\x02\x00\x02", "\x05\x02"},
		{"after unknown ones", "\x05\x04\x01\x80\x00\x02", "\x05\x02"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(tt.greeting)
				a.want(tt.chosen)
				a.send("\x01\x04user\x06secret")
				a.want("\x01\x00")
				a.send(connect5)
				a.want(ok5)
				wantStrings(t, "isolation", w.mix.isolations(), `"127.0.0.1:1080" "password" "user" "secret"`)
			})
		})
	}
}

func TestGreetings(t *testing.T) {
	for _, tt := range []struct {
		name, send, want string
	}{
		{"no method", "\x05\x00", "\x05\xff"},
		{"unknown methods", "\x05\x02\x01\x80", "\x05\xff"},
		{"255 methods", "\x05\xff" + string(slices.Repeat([]byte{1}, 255)), "\x05\xff"},
		{"sub-negotiation of another version", "\x05\x01\x02" + "\x05\x01u\x01p", "\x05\x02\x01\x01"},
		{"empty user and password", "\x05\x01\x02" + "\x01\x00\x00" + connect5, "\x05\x02\x01\x00" + ok5},
		{"one method of many", "\x05\x03\x01\x00\x80" + connect5, "\x05\x00" + ok5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(tt.send)
				a.want(tt.want)
				a.closeWrite()
				a.wantEnd()
			})
		})
	}
}

// socks.md §21.6: "Isolation key = (listener, SOCKS user, password, or SOCKS4
// user id, optional destination and port)."
func TestIsolationKeys(t *testing.T) {
	withPassword := func(user, password string) string {
		return "\x05\x01\x02\x01" + string([]byte{byte(len(user))}) + user + string([]byte{byte(len(password))}) + password + connect5
	}
	openings := []string{
		greet + connect5,
		withPassword("a", "b"),
		withPassword("a", "c"),
		withPassword("b", "b"),
		withPassword("a b", ""),
		withPassword(`a" "b`, ""),
		withPassword("a", " b"),
		"\x04\x01\x01\xbb\x5d\xb8\xd8\x22a\x00",
		"\x04\x01\x01\xbb\x5d\xb8\xd8\x22b\x00",
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		for range 2 {
			for _, o := range openings {
				a := w.app()
				a.send(o)
				a.closeWrite()
				if len(readAll(t, a)) == 0 {
					t.Fatalf("no reply to %q", o)
				}
			}
		}
		keys := w.mix.isolations()
		if len(keys) != 2*len(openings) {
			t.Fatalf("%d streams, want %d", len(keys), 2*len(openings))
		}
		for i := range openings {
			if keys[i] != keys[i+len(openings)] {
				t.Errorf("the same opening has keys %s and %s", keys[i], keys[i+len(openings)])
			}
			for j := range i {
				if keys[i] == keys[j] {
					t.Errorf("%q and %q share the key %s", openings[i], openings[j], keys[i])
				}
			}
		}
	})
}

func TestIsolationByTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{IsolateTargets: true}, nil)
		for _, request := range []string{greet + connect5, "\x04\x01\x01\xbb\x5d\xb8\xd8\x22\x00", connectH} {
			a := w.app()
			a.send(request)
			a.closeWrite()
			readAll(t, a)
		}
		wantStrings(t, "isolation", w.mix.isolations(),
			`"127.0.0.1:1080" "" "" "" "example.org:443"`,
			`"127.0.0.1:1080" "" "" "" "93.184.216.34:443"`,
			`"127.0.0.1:1080" "" "" "" "example.org:443"`)
	})
}
