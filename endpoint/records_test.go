package endpoint

import (
	"bytes"
	"errors"
	"testing"

	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/storetest"
)

func TestRegistrations(t *testing.T) {
	storetest.Client(t, func(*testing.T) func() client.Store {
		s := NewMemoryStore()
		return func() client.Store { return registrations{s} }
	})
}

func TestKeysComeBack(t *testing.T) {
	s := NewMemoryStore()
	first, err := loadKeys(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadKeys(t.Context(), s)
	if err != nil || again.Identity.Public() != first.Identity.Public() || again.Encryption.Public() != first.Encryption.Public() || !bytes.Equal(again.Ack.Bytes()[:], first.Ack.Bytes()[:]) {
		t.Errorf("the keys are others, %v", err)
	}
	for _, text := range []string{"{}", "x", `{"identity_seed":"abc"}`} {
		if err := s.Save(t.Context(), keysName, Record{keysVersion, []byte(text)}); err != nil {
			t.Fatal(err)
		}
		if _, err := loadKeys(t.Context(), s); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(appendRecord(nil, "keys", Record{1, []byte("body\n")}))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := parseRecord("keys", in)
		if err != nil {
			return
		}
		if out := appendRecord(nil, "keys", r); !bytes.Equal(in, out) {
			t.Errorf("%q is read as %+v, which is written as %q", in, r, out)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	k, err := loadKeys(f.Context(), NewMemoryStore())
	if err != nil {
		f.Fatal(err)
	}
	b, err := k.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		k, err := parseKeys(in)
		if err != nil {
			return
		}
		if _, err := k.marshal(); err != nil {
			t.Errorf("%q was read, and cannot be written: %v", in, err)
		}
	})
}

func FuzzParseRegistration(f *testing.F) {
	f.Add([]byte(`{"session_key":"11111111111111111111111111111111","last_login":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if r, err := parseRegistration(in); err == nil && r.Key == nil {
			t.Errorf("%q was read without a key", in)
		}
	})
}

// A peerTarget finds the port it names, and no other text does.
func FuzzPeerTarget(f *testing.F) {
	f.Add("22")
	f.Add("00022")
	f.Fuzz(func(t *testing.T, port string) {
		p := ports{byNumber: map[uint16]*Listener{22: {}}}
		if found := p.find(port) != nil; found != (port == "22") {
			t.Errorf("port %q found: %v", port, found)
		}
	})
}
