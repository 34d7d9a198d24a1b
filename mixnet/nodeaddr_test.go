package mixnet

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"nym-socks5/internal/vectest"
)

func TestParseNodeAddr(t *testing.T) {
	for _, c := range []struct {
		name, hex, want string
		n               int
		err             error
	}{
		{"IPv4", "0406fdcb00710b", "203.0.113.11:1789", 7, nil},
		{"IPv4, padded", "0406fdcb00710b00000000", "203.0.113.11:1789", 7, nil},
		// sphinx.md §4.4: "Parsing takes the first byte to choose the form and ignores the rest"
		{"IPv4, something behind", "0406fdcb00710bffff", "203.0.113.11:1789", 7, nil},
		{"IPv6", "0606fd20010db8000000000000000000000003", "[2001:db8::3]:1789", 19, nil},
		{"IPv6, padded", "0606fd20010db8000000000000000000000003000000", "[2001:db8::3]:1789", 19, nil},
		{"IPv4 in IPv6", "0606fd00000000000000000000ffffcb00710b", "[::ffff:203.0.113.11]:1789", 19, nil},
		{"port 0", "040000cb00710b", "203.0.113.11:0", 7, nil},
		{"empty", "", "", 0, ErrMalformed},
		// "another first byte is an error"
		{"form 0", "0006fdcb00710b", "", 0, ErrMalformed},
		{"form 5", "0506fdcb00710b", "", 0, ErrMalformed},
		{"IPv4, short", "0406fdcb0071", "", 0, ErrMalformed},
		{"IPv6, short", "0606fd20010db80000000000000000000000", "", 0, ErrMalformed},
	} {
		in := vectest.Unhex(t, c.hex)
		a, n, err := ParseNodeAddr(in)
		if n != c.n || !errors.Is(err, c.err) {
			t.Errorf("%s: %d bytes, %v, want %d, %v", c.name, n, err, c.n, c.err)
		}
		if err != nil {
			if !a.IsZero() {
				t.Errorf("%s: an address and an error", c.name)
			}
			continue
		}
		if a.String() != c.want || a.AddrPort().String() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, a, c.want)
		}
		if out, err := a.AppendBinary(nil); err != nil || !bytes.Equal(out, in[:n]) {
			t.Errorf("%s: encodes back as %x, %v", c.name, out, err)
		}
	}
}

func TestNodeAddrFrom(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.11:1789":          "203.0.113.11:1789",
		"[::ffff:203.0.113.11]:1789": "203.0.113.11:1789",
		"[fe80::1%eth0]:1":           "[fe80::1]:1",
		"[2001:db8::3]:1789":         "[2001:db8::3]:1789",
	} {
		if got := NodeAddrFrom(netip.MustParseAddrPort(in)).String(); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

func TestZeroNodeAddr(t *testing.T) {
	var a NodeAddr
	if !a.IsZero() || NodeAddrFrom(netip.MustParseAddrPort("0.0.0.0:0")).IsZero() {
		t.Error("IsZero is wrong")
	}
	if b, err := a.AppendBinary(nil); !errors.Is(err, ErrMalformed) || len(b) != 0 {
		t.Errorf("encodes as %x, %v, want ErrMalformed", b, err)
	}
	if err := a.PutPadded(make([]byte, NodeAddrPadded)); !errors.Is(err, ErrMalformed) {
		t.Errorf("pads with %v, want ErrMalformed", err)
	}
}

func FuzzParseNodeAddr(f *testing.F) {
	for _, s := range []string{"0406fdcb00710b", "0606fd20010db8000000000000000000000003"} {
		f.Add(vectest.Unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		a, n, err := ParseNodeAddr(in)
		if err != nil {
			return
		}
		if out, err := a.AppendBinary(nil); err != nil || !bytes.Equal(in[:n], out) {
			t.Fatalf("%x encodes back as %x, %v", in, out, err)
		}
	})
}
