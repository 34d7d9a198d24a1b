package proxy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"nym-socks5/internal/vectest"
)

// drain reads all that is ready.
func drain(b *inbox) (out []byte) {
	for data := b.take(); data != nil; data = b.take() {
		out = append(out, data...)
	}
	return out
}

// TestOrderingVectors holds what the reference's ordered buffer does;
// testdata/ordering.json was made with it.
func TestOrderingVectors(t *testing.T) {
	var file struct {
		Ordering []struct {
			Name  string
			Steps []struct {
				Write        uint64
				Accepted     bool
				Read         *string
				LastSequence *uint64 `json:"last_sequence"`
			}
		}
	}
	vectest.Read(t, "ordering.json", &file)
	if len(file.Ordering) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range file.Ordering {
		var b inbox
		for i, s := range v.Steps {
			got := b.insert(s.Write, fmt.Appendf(nil, "<%d>", s.Write), false)
			if (got == accepted) != s.Accepted {
				t.Errorf("%s, step %d: verdict %d, want accepted %v", v.Name, i, got, s.Accepted)
			}
			want := ""
			if s.Read != nil {
				want = *s.Read
			}
			if got := string(drain(&b)); got != want {
				t.Errorf("%s, step %d: read %q, want %q", v.Name, i, got, want)
			}
			if s.LastSequence != nil && b.next != *s.LastSequence+1 {
				t.Errorf("%s, step %d: next %d, want %d", v.Name, i, b.next, *s.LastSequence+1)
			}
		}
	}
}

// socks.md §21.4: "MUST implement section 10 with byte bounds"
func TestInboxRules(t *testing.T) {
	type in struct {
		seq    uint64
		data   string
		closed bool
		want   verdict
	}
	tests := []struct {
		name  string
		in    []in
		read  string
		ended bool
		next  uint64
	}{
		{"close behind data", []in{{0, "a", false, accepted}, {1, "", true, accepted}}, "a", true, 2},
		{"close before data", []in{{1, "", true, accepted}, {0, "a", false, accepted}}, "a", true, 2},
		{"data and close in one", []in{{0, "a", false, accepted}, {1, "b", true, accepted}}, "ab", true, 2},
		{"close of nothing", []in{{0, "", true, accepted}}, "", true, 1},
		{"close with a hole", []in{{2, "", true, accepted}, {0, "a", false, accepted}}, "a", false, 1},
		{"two closes", []in{{1, "", true, accepted}, {2, "", true, accepted}, {0, "a", false, accepted}}, "a", true, 3},
		{"two closes, the later first", []in{{2, "", true, accepted}, {1, "", true, accepted}, {0, "a", false, accepted}}, "a", true, 3},
		{"close, refused as repeated", []in{{0, "a", false, accepted}, {0, "", true, duplicate}, {1, "b", false, accepted}}, "ab", true, 2},
		{"keep-alives behind the close", []in{{0, "a", true, accepted}, {1, "", false, accepted}, {2, "", false, accepted}}, "a", true, 3},
		{"data behind the close", []in{{0, "a", true, accepted}, {1, "b", false, accepted}}, "a", true, 2},
		{"repeated, read", []in{{0, "a", false, accepted}, {0, "b", false, duplicate}}, "a", false, 1},
		{"repeated, held", []in{{1, "b", false, accepted}, {1, "c", false, duplicate}, {0, "a", false, accepted}}, "ab", false, 2},
		// socks.md §10: "Reject if seq > next + 1000"
		{"gap of 1000", []in{{1000, "z", false, accepted}, {0, "a", false, accepted}}, "a", false, 1},
		{"gap of 1001", []in{{1001, "z", false, tooFar}, {0, "a", false, accepted}}, "a", false, 1},
		{"gap of everything", []in{{1<<64 - 1, "z", false, tooFar}, {0, "a", false, accepted}}, "a", false, 1},
	}
	for _, tt := range tests {
		var b inbox
		for _, m := range tt.in {
			if got := b.insert(m.seq, []byte(m.data), m.closed); got != m.want {
				t.Errorf("%s: %d gives verdict %d, want %d", tt.name, m.seq, got, m.want)
			}
		}
		if got := string(drain(&b)); got != tt.read || b.ended != tt.ended || b.next != tt.next {
			t.Errorf("%s: read %q, ended %v, next %d, want %q, %v, %d", tt.name, got, b.ended, b.next, tt.read, tt.ended, tt.next)
		}
	}
}

// A number lost for good breaks the stream when it is reached, not before.
func TestInboxHole(t *testing.T) {
	var b inbox
	b.insert(1003, nil, false)
	b.insert(1001, nil, false)
	for seq := range uint64(1001) {
		if b.broken() {
			t.Fatalf("broken before %d", seq)
		}
		b.insert(seq, nil, false)
	}
	if !b.broken() {
		t.Error("not broken at the hole")
	}
}

// Any order, any sizes, any way of reading: the data come out as they went
// in, and the memory count returns to nothing.
func TestInboxShuffled(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		var want []byte
		var msgs [][]byte
		for range 400 {
			size := r.IntN(40)
			if r.IntN(4) == 0 {
				size = r.IntN(9000)
			}
			data := noise(size)
			want, msgs = append(want, data...), append(msgs, data)
		}
		order := r.Perm(len(msgs))
		var b inbox
		var got []byte
		buf := make([]byte, 3000)
		for _, i := range order {
			b.insert(uint64(i), bytes.Clone(msgs[i]), i == len(msgs)-1)
			b.insert(uint64(i), nil, false)
			switch r.IntN(4) {
			case 0:
				got = append(got, buf[:b.read(buf[:r.IntN(len(buf))])]...)
			case 1:
				got = append(got, b.take()...)
			}
		}
		got = append(got, drain(&b)...)
		if !bytes.Equal(got, want) || !b.ended || b.size != 0 || b.taken != uint64(len(want)) {
			t.Fatalf("seed %d: %d bytes, ended %v, size %d, taken %d, want %d bytes", seed, len(got), b.ended, b.size, b.taken, len(want))
		}
	}
}

// The memory that unread data take is in proportion to them, however small
// the messages; and nothing stays of what nobody reads.
func TestInboxMemory(t *testing.T) {
	var b inbox
	for seq := range uint64(100_000) {
		b.insert(seq, []byte{1}, false)
	}
	if b.size > 110_000 {
		t.Errorf("100 000 bytes take %d", b.size)
	}
	b.insert(100_002, noise(5000), false)
	b.drop()
	b.insert(100_001, noise(5000), false)
	b.insert(100_000, noise(5000), false)
	if b.size != 0 || len(b.ready) != 0 || b.next != 100_003 {
		t.Errorf("dropped: size %d, %d blocks, next %d", b.size, len(b.ready), b.next)
	}
}

func FuzzInbox(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 2, 1})
	f.Add([]byte{5, 0, 255, 1, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		var b inbox
		var buf [7]byte
		for i := 0; i+1 < len(script); i += 2 {
			seq := b.next + uint64(int8(script[i]))*9
			b.insert(seq, noise(int(script[i+1]>>1)), script[i+1]&1 == 1)
			if script[i]&3 == 0 {
				b.read(buf[:])
			}
			if len(b.held) > reorderWindow || b.size < 0 {
				t.Fatalf("%d held, size %d", len(b.held), b.size)
			}
		}
		drain(&b)
		rest := 0
		for _, data := range b.held {
			rest += len(data) + messageCost
		}
		if b.size != rest {
			t.Fatalf("size %d, want %d", b.size, rest)
		}
	})
}
