package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nym-socks5/mixnet"
)

var (
	key      = [KeySize]byte{1, 2, 3}
	stranger = mixnet.SenderTag{7}
	wide     = Limits{Messages: 100, Bytes: 1 << 20}
)

func open(t *testing.T, dir string, l Limits) *Spool {
	t.Helper()
	s, err := Open(dir, key, l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Spool) add(t *testing.T, text string, dropped int) {
	t.Helper()
	n, err := s.Add(mixnet.Message{Body: []byte(text), From: stranger, Packets: 3})
	if err != nil || n != dropped {
		t.Errorf("adding %.10q: dropped %d, %v; want %d", text, n, err, dropped)
	}
}

func all(mixnet.Message) bool { return true }

// taken is Take with lists.
func (s *Spool) taken(most int, wants func(mixnet.Message) bool) (got []mixnet.Message, ids []uint64, more bool, err error) {
	more, err = s.Take(most, wants, func(id uint64, m mixnet.Message) { got, ids = append(got, m), append(ids, id) })
	return got, ids, more, err
}

// take takes what there is and compares it.
func (s *Spool) take(t *testing.T, want ...string) (ids []uint64) {
	t.Helper()
	got, ids, more, err := s.taken(1<<20, all)
	var texts []string
	for _, m := range got {
		texts = append(texts, string(m.Body))
	}
	if err != nil || more || fmt.Sprint(texts) != fmt.Sprint(want) || len(ids) != len(got) {
		t.Errorf("took %q, more %v, %v; want %q", texts, more, err, want)
	}
	return ids
}

func TestMessagesSurvive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir, wide)
	s.add(t, "one", 0)
	s.add(t, "two", 0)
	s.add(t, "", 0)
	s = open(t, dir, wide)
	if n, size := s.Len(); n != 3 || size != 6 {
		t.Errorf("%d messages of %d bytes", n, size)
	}
	got, ids, _, err := s.taken(1<<20, all)
	if err != nil || len(got) != 3 || got[0].From != stranger || got[0].Packets != 3 || string(got[1].Body) != "two" {
		t.Fatalf("got %+v, %v", got, err)
	}
	s.take(t) // each once
	if err := s.Drop(ids[0]); err != nil {
		t.Error(err)
	}
	s.Return(ids[2])
	s.take(t, "")
	s = open(t, dir, wide) // what was taken and not dropped is there again
	s.take(t, "two", "")
	s.add(t, "three", 0)
	s.take(t, "three")
}

func TestLimits(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Messages: 3, Bytes: 10})
	s.add(t, "a", 0)
	s.add(t, "bb", 0)
	s.add(t, "c", 0)
	s.add(t, "d", 1)
	s.add(t, "eeeeeeeee", 2)
	s.take(t, "d", "eeeeeeeee")
	s = open(t, dir, Limits{Messages: 1, Bytes: 10}) // which are smaller now
	s.take(t, "eeeeeeeee")
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files, want 1", len(files))
	}
}

func TestTakeInParts(t *testing.T) {
	s := open(t, t.TempDir(), wide)
	for range 5 {
		s.add(t, strings.Repeat("x", 100), 0)
	}
	for _, want := range []int{2, 2, 1} {
		got, _, more, err := s.taken(150, all)
		if len(got) != want || more != (want == 2) || err != nil {
			t.Errorf("took %d, more %v, %v; want %d", len(got), more, err, want)
		}
	}
}

// Who wants a message is asked before it is read again.
func TestTakeSome(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, wide)
	s.add(t, "theirs", 0)
	s.Add(mixnet.Message{Body: []byte("ours"), To: stranger})
	ours := func(m mixnet.Message) bool { return m.To == stranger }
	for range 2 {
		got, ids, _, err := s.taken(100, ours)
		if len(got) != 1 || string(got[0].Body) != "ours" || err != nil {
			t.Fatalf("took %d, %v", len(got), err)
		}
		s.Return(ids[0])
		s = open(t, dir, wide) // which knows nothing yet
	}
	s.take(t, "theirs", "ours")
}

// Whoever has the disk and no key reads nothing and changes nothing unnoticed.
func TestFilesAreSealed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, wide)
	const canary = "canary-of-a-message"
	s.add(t, canary, 0)
	s.add(t, canary, 0)
	one, two := s.path(1), s.path(2)
	sealed, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte(canary)) || bytes.Contains(sealed, stranger[:]) {
		t.Error("the file can be read")
	}
	for name, change := range map[string]func() error{
		"a changed bit":  func() error { sealed[40] ^= 1; return os.WriteFile(one, sealed, 0o600) },
		"a short file":   func() error { return os.WriteFile(one, sealed[:overhead-1], 0o600) },
		"another's file": func() error { return os.Rename(two, one) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, Limits{Messages: 100, Bytes: 1 << 20})
		if got, _, _, err := s.taken(1, all); !errors.Is(err, ErrDamaged) || len(got) > 1 {
			t.Errorf("%s: took %d, %v", name, len(got), err)
		}
		if _, err := s.decode(1, mustRead(t, one)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
	other, err := Open(dir, [KeySize]byte{9}, wide)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _, err := other.taken(1<<20, all); len(got) != 0 || !errors.Is(err, ErrDamaged) {
		t.Errorf("with another key: took %d, %v", len(got), err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What was being written when the process ended goes; what is not ours stays.
func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".0000000000000001.msg.123", "notes.txt", "1.msg", "0000000000000000.msg", "000000000000000g.msg"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir, wide)
	s.take(t)
	if files, _ := os.ReadDir(dir); len(files) != 4 {
		t.Errorf("%d files are left, want 4", len(files))
	}
}

func FuzzDecode(f *testing.F) {
	s, err := Open(f.TempDir(), key, wide)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, uint64(1))
	f.Add(s.encode(1, mixnet.Message{Body: []byte("hello"), From: stranger}), uint64(1))
	f.Add(s.encode(1, mixnet.Message{}), uint64(2))
	f.Fuzz(func(t *testing.T, in []byte, id uint64) {
		m, err := s.decode(id, in)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%x: %v", in, err)
			}
			return
		}
		if again, err := s.decode(id, s.encode(id, m)); err != nil || !bytes.Equal(again.Body, m.Body) || again.From != m.From {
			t.Fatalf("%+v comes back as %+v, %v", m, again, err)
		}
	})
}
