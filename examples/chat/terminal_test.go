package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A typist is a user in a terminal.
type typist struct {
	*user
	in *io.PipeWriter

	mu  sync.Mutex
	out strings.Builder
}

func (y *typist) Write(b []byte) (int, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.out.Write(b)
}

// types types lines, and gives what was printed since the last ones, a minute later.
func (y *typist) types(lines ...string) string {
	y.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(y.in, l+"\n"); err != nil {
			y.t.Fatal(err)
		}
	}
	time.Sleep(time.Minute)
	y.mu.Lock()
	defer y.mu.Unlock()
	defer y.out.Reset()
	return y.out.String()
}

func TestTerminal(t *testing.T) {
	meet(t, usual, func(a, b *user) {
		sit := func(u *user) (*typist, func()) {
			in, typed := io.Pipe()
			y := &typist{user: u, in: typed}
			ended := make(chan error)
			go func() { ended <- newTerminal(u.person, y).run(context.Background(), in) }()
			return y, func() {
				typed.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		}
		alice, away := sit(a)
		defer away()
		bob, away := sit(b)
		defer away()
		has := func(got string, want ...string) {
			t.Helper()
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("got\n%swant %q", got, w)
				}
			}
		}
		picture := filepath.Join(t.TempDir(), "bob.png")
		rows, err := qrCode(b.person.cardText)
		if err == nil {
			err = os.WriteFile(picture, encode(t, draw(rows, 4, 4)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		has(alice.types("good evening", "/nothing", "/to 7", "/add nobody", "/take x", "/help"), "you are Alice", "your card: nymchat:",
			"to whom?", "there is no /nothing", "there is no such contact", "a card is nymchat:", "say the number of the line", "/add CARD [NAME]")
		alice.types("/add " + picture)
		has(bob.types("/card"), "[1] Alice asks to write to you: /accept 1 or /ignore 1", "▀")
		has(bob.types("/accept 1"), "[1] Alice is a contact")
		has(alice.types("good evening"), "[1] Bob is a contact", "✓ to Bob: good evening\n", "✓✓ to Bob: good evening\n")
		has(bob.types("and to you"), "[1] Alice: good evening\n", "✓✓ to Alice: and to you\n")

		path := filepath.Join(t.TempDir(), "notes.txt")
		if err := os.WriteFile(path, []byte(strings.Repeat("la", 100_000)), 0o600); err != nil {
			t.Fatal(err)
		}
		has(alice.types("/file "+path+".not", "/file "+path), "[1] Bob: and to you\n", "no such file")
		has(bob.types("/take 3"), `[1] Alice offers the file "notes.txt" of 200000 bytes: /take 3 or /refuse 3`, `file "notes.txt": 30 %`, `file "notes.txt" is in `+b.dir)
		has(alice.types("/history"), `file "notes.txt": complete`, "✓✓", `200000 of 200000 bytes, complete`)
	})
}
