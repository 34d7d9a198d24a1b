package mixnet

import "testing"

// The table of sphinx.md §4.1.
func TestPacketSizes(t *testing.T) {
	for _, c := range []struct {
		size                                PacketSize
		tag                                 uint8
		name                                string
		total, payload, plaintext, fragment int
	}{
		{Regular, 1, "regular", 2413, 2065, 2048, 1611},
		{AckSize, 2, "ack", 386, 38, 21, -1},
		{Extended32, 3, "extended32", 33133, 32785, 32768, 32331},
		{Extended8, 4, "extended8", 8557, 8209, 8192, 7755},
		{Extended16, 5, "extended16", 16749, 16401, 16384, 15947},
	} {
		if uint8(c.size) != c.tag || c.size.String() != c.name || !c.size.Valid() {
			t.Errorf("%s has tag %d and name %v", c.name, uint8(c.size), c.size)
		}
		if c.size.Total() != c.total || c.size.Payload() != c.payload || c.size.Plaintext() != c.plaintext {
			t.Errorf("%v: %d, %d, %d, want %d, %d, %d", c.size, c.size.Total(), c.size.Payload(), c.size.Plaintext(), c.total, c.payload, c.plaintext)
		}
		if f := c.size.Fragment(); f != c.fragment && (c.fragment > 0 || f > 0) {
			t.Errorf("%v: fragments of %d, want %d", c.size, f, c.fragment)
		}
		if got, ok := PacketSizeOf(c.total); !ok || got != c.size {
			t.Errorf("%d bytes are %v, want %v", c.total, got, c.size)
		}
		for _, n := range []int{c.total - 1, c.total + 1, c.plaintext} {
			if got, ok := PacketSizeOf(n); ok {
				t.Errorf("%d bytes are %v, want no size", n, got)
			}
		}
	}
	if AckPrefixSize != 405 || HeaderSize != 348 || MaxPacketSize != Extended32.Total() || MaxPlaintext != Extended32.Plaintext() {
		t.Error("a constant is wrong")
	}
	for _, s := range []PacketSize{0, 6, 7, 255} {
		if s.Valid() || s.Plaintext() != 0 {
			t.Errorf("%v is valid", s)
		}
	}
	if got := PacketSize(6).String(); got != "PacketSize(6)" {
		t.Errorf("size 6 is named %s", got)
	}
}

// sphinx.md §4.3: "0 = Unknown, 1 = Odd, 2 = Even; others are an error."
func TestRotation(t *testing.T) {
	for r, name := range map[Rotation]string{0: "unknown", 1: "odd", 2: "even"} {
		if !r.Valid() || r.String() != name {
			t.Errorf("rotation %d is %v, valid %v", uint8(r), r, r.Valid())
		}
	}
	if r := Rotation(3); r.Valid() || r.String() != "Rotation(3)" {
		t.Errorf("rotation 3 is %v, valid %v", r, r.Valid())
	}
	for id, want := range map[uint32]Rotation{0: RotationUnknown, 1<<32 - 1: RotationUnknown, 1<<32 - 2: RotationEven, 3: RotationOdd} {
		if got := RotationOf(id); got != want {
			t.Errorf("rotation %d travels as %v, want %v", id, got, want)
		}
	}
}
