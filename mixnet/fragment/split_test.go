package fragment

import (
	"bytes"
	"testing"
)

// plaintextRooms are the four sizes that fragments have in practice.
var plaintextRooms = []int{1611, 7755, 15947, 32331}

// split cuts msg under the set numbers 1, 2, 3, …
func split(t testing.TB, msg []byte, size int) [][]byte {
	t.Helper()
	return splitAs(t, msg, size, sequence(Sets(len(msg), size)))
}

func sequence(n int) []uint32 {
	sets := make([]uint32, n)
	for i := range sets {
		sets[i] = uint32(i + 1)
	}
	return sets
}

func splitAs(t testing.TB, msg []byte, size int, sets []uint32) [][]byte {
	t.Helper()
	f, err := Split(msg, size, sets)
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]byte, f.Len())
	for i := range out {
		out[i] = f.Append(nil, i)
	}
	return out
}

// pattern is what the reference's vectors are made of.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(31*i + 7*(i/256) + 11)
	}
	return b
}

// TestCounts is the table of sphinx.md §10 F, where L is the length of the
// message and its mark.
func TestCounts(t *testing.T) {
	for _, c := range []struct{ size, l, sets, fragments, zeros int }{
		{1611, 1, 1, 1, 1603}, {1611, 1604, 1, 1, 0}, {1611, 1605, 1, 2, 1603}, {1611, 409020, 1, 255, 0},
		{1611, 409021, 2, 256, 1597}, {1611, 818034, 2, 510, 0}, {1611, 818035, 3, 511, 1597},
		{1611, 1227048, 3, 765, 0}, {1611, 1227049, 4, 766, 1597},
		{7755, 7748, 1, 1, 0}, {7755, 7749, 1, 2, 7747}, {7755, 1975740, 1, 255, 0}, {7755, 1975741, 2, 256, 7741},
		{7755, 3951474, 2, 510, 0}, {7755, 3951475, 3, 511, 7741},
		{15947, 15940, 1, 1, 0}, {15947, 4064700, 1, 255, 0}, {15947, 4064701, 2, 256, 15933}, {15947, 8129394, 2, 510, 0},
		{32331, 32324, 1, 1, 0}, {32331, 8242620, 1, 255, 0}, {32331, 8242621, 2, 256, 32317}, {32331, 16485234, 2, 510, 0},
	} {
		msg := bytes.Repeat([]byte{0xff}, c.l-1)
		if got := Sets(len(msg), c.size); got != c.sets {
			t.Errorf("P %d, L %d: %d sets, want %d", c.size, c.l, got, c.sets)
			continue
		}
		f, err := Split(msg, c.size, sequence(c.sets))
		if err != nil {
			t.Fatal(err)
		}
		if f.Len() != c.fragments || f.Size() != c.size {
			t.Errorf("P %d, L %d: %d fragments of %d, want %d", c.size, c.l, f.Len(), f.Size(), c.fragments)
		}
		last := f.Append(nil, f.Len()-1)
		if zeros := len(last) - 1 - bytes.LastIndexByte(last, mark); zeros != c.zeros {
			t.Errorf("P %d, L %d: %d zeros at the end, want %d", c.size, c.l, zeros, c.zeros)
		}
	}
}

// The longest message for so many fragments fills so many, and one byte more does not fit.
func TestCapacity(t *testing.T) {
	for _, size := range plaintextRooms {
		for _, n := range []int{1, 2, 10, 254, 255, 256, 257, 509, 510, 511, 512, 765, 766, 10_000} {
			longest := Capacity(n, size)
			if got, more := Count(longest, size), Count(longest+1, size); got != n || more != n+1 {
				t.Errorf("%d fragments of %d bytes: %d bytes fill %d, and one more %d", n, size, longest, got, more)
			}
		}
	}
	if got := Capacity(0, 1611); got != 0 {
		t.Errorf("no fragments hold %d bytes", got)
	}
}

// sphinx.md §5.2: "The fragment always fills P exactly."
func TestFragmentsAreFull(t *testing.T) {
	for _, size := range plaintextRooms {
		l := layoutOf(size)
		for _, n := range []int{0, 1, l.plain - 2, l.plain - 1, l.plain, 2*l.plain + 5, l.alone() - 1, l.alone(), 2*l.end() - 1, 2 * l.end()} {
			var joined []byte
			for i, b := range split(t, pattern(n), size) {
				if len(b) != size {
					t.Fatalf("message of %d: fragment %d has %d bytes, want %d", n, i, len(b), size)
				}
				_, head, err := ParseHeader(b)
				if err != nil {
					t.Fatalf("message of %d: fragment %d: %v", n, i, err)
				}
				joined = append(joined, b[head:]...)
			}
			if got, err := unpad(joined); err != nil || !bytes.Equal(got, pattern(n)) {
				t.Fatalf("message of %d: the fragments hold another message (%v)", n, err)
			}
		}
	}
}

// TestAppendInPlace writes a fragment into the middle of a packet.
func TestAppendInPlace(t *testing.T) {
	f, err := Split([]byte("hello"), 1611, []uint32{9})
	if err != nil {
		t.Fatal(err)
	}
	packet := bytes.Repeat([]byte{0xaa}, 3000)
	got := f.Append(packet[:437], 0)
	if &got[0] != &packet[0] || len(got) != 437+1611 {
		t.Fatalf("appended to %d bytes in another place", len(got))
	}
	if want := f.Append(nil, 0); !bytes.Equal(packet[437:437+1611], want) || packet[436] != 0xaa || packet[437+1611] != 0xaa {
		t.Error("the fragment is not where it should be, or not alone")
	}
	if n := testing.AllocsPerRun(10, func() { f.Append(packet[:437], 0) }); n != 0 {
		t.Errorf("appending allocates %v times", n)
	}
}

func TestSplitRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		size int
		sets []uint32
	}{
		{"no room", 1, LinkedSize, []uint32{1}},
		{"no set number", 1, 1611, nil},
		{"a set number too many", 1, 1611, []uint32{1, 2}},
		{"a set number too few", 409020, 1611, []uint32{1}},
		{"set 0", 1, 1611, []uint32{0}},
		{"set beyond 31 bits", 1, 1611, []uint32{MaxSet + 1}},
		{"sets not different", 818034, 1611, []uint32{1, 2, 1}},
	} {
		if _, err := Split(make([]byte, c.n), c.size, c.sets); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

func TestNewSets(t *testing.T) {
	seen := make(map[uint32]bool)
	for _, s := range NewSets(1000) {
		if s == 0 || s > MaxSet || seen[s] {
			t.Fatalf("drew set %#x", s)
		}
		seen[s] = true
	}
	if len(seen) != 1000 {
		t.Errorf("drew %d sets, want 1000", len(seen))
	}
}

func TestUnpad(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"\x01", "", true},
		{"m\x01", "m", true},
		{"m\x01\x00\x00", "m", true},
		{"a\x01b\x01\x01\x00", "a\x01b\x01", true},
		{"a\x00\x01", "a\x00", true},
		{"", "", false},
		{"\x00\x00", "", false},
	} {
		got, err := unpad([]byte(c.in))
		if string(got) != c.want || (err == nil) != c.ok {
			t.Errorf("%q: got %q, %v, want %q", c.in, got, err, c.want)
		}
	}
}
