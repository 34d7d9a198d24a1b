package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/clitest"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

func TestMain(m *testing.M) {
	clitest.Main(m, map[string]func() int{"notes": func() int { main(); return 0 }})
}

const someID = "000102030405060708090a0b0c0d0e0f"

func TestParseRequest(t *testing.T) {
	address := mixnettest.NewPair(mixnettest.Options{}).A.Address().String()
	for _, c := range []struct{ in, code string }{
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a"}`, ""},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a","days":30,"answer":"` + address + `"}`, ""},
		{`{"notes":1,"id":"` + someID + `","op":"get","name":"` + someID + `"}`, ""},
		{`{"notes":1,"id":"` + someID + `","op":"delete","key":"` + someID + `"}`, ""},
		{`{"notes":2,"id":"` + someID + `","op":"put","text":"a"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"list"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"put"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a","days":31}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a","days":-1}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a","name":"` + someID + `"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a","key":"` + someID + `"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"` + strings.Repeat("a", maxText+1) + `"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"get"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"get","name":"` + someID + `","days":1}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"get","name":"` + someID + `","text":"a"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"delete"}`, "bad-request"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a","answer":"me"}`, "bad-request"},
		{`{"notes":1,"op":"put","text":"a"}`, "none"},
		{`{"notes":1,"id":"00","op":"put","text":"a"}`, "none"},
		{`{"notes":1,"id":"` + strings.ToUpper(someID) + `","op":"put","text":"a"}`, "none"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a","tetx":"b"}`, "none"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"a"} {}`, "none"},
		{`{"notes":1,"id":"` + someID + `","op":"put","text":"` + strings.Repeat("a", maxRequest) + `"}`, "none"},
		{`[]`, "none"}, {`null`, "none"}, {``, "none"}, {"\x00", "none"},
	} {
		r, err := parseRequest([]byte(c.in))
		var refused *refusal
		switch {
		case c.code == "none" && errors.Is(err, errNoRequest), c.code == "" && err == nil && r.ID != ID{}:
		case errors.As(err, &refused) && refused.code == c.code && r.ID != ID{}:
		default:
			t.Errorf("%.120s: %v, want %q", c.in, err, c.code)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"notes":1,"id":"` + someID + `","op":"put","text":"a","days":3}`))
	f.Add([]byte(`{"notes":1,"id":"` + someID + `","op":"get","name":"` + someID + `"}`))
	f.Add([]byte(`{"notes":1,"id":"` + someID + `","op":"delete","key":"` + someID + `"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := parseRequest(in)
		if err != nil {
			return
		}
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseRequest(out); err != nil || again != r {
			t.Fatalf("%q is %+v, written as %q, which is %+v, %v", in, r, out, again, err)
		}
	})
}

var day = time.Unix(1_764_590_400, 0)

func open(t *testing.T, path string, max int) *store {
	t.Helper()
	s, err := openStore(path, max)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func put(text string) request { return request{ID: newID(), Op: "put", Text: text, Days: 1} }

// A put is carried out once, however often it comes and whatever came between.
func TestStoreOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	s := open(t, path, 1<<20)
	r := put("hello")
	first, err := s.put(r, holder{1}, day)
	if err != nil || first.Name != r.ID.name() || first.Until != day.Add(24*time.Hour).Unix() {
		t.Fatalf("put: %+v, %v", first, err)
	}
	check := func() {
		t.Helper()
		if again, err := s.put(r, holder{2}, day.Add(time.Hour)); again != first || err != nil {
			t.Errorf("the same put: %+v, %v, want %+v", again, err, first)
		}
		other := r
		other.Text = "another"
		if _, err := s.put(other, holder{1}, day); err != errConflict {
			t.Errorf("the same id, another text: %v", err)
		}
		if a, err := s.get(first.Name, day); a.Text != "hello" || a.Until != first.Until || err != nil {
			t.Errorf("get: %+v, %v", a, err)
		}
		if len(s.notes) != 1 || s.all != noteOverhead+5 || s.used[holder{1}] != s.all || len(s.used) != 1 {
			t.Errorf("counts %d notes, %d bytes, %v", len(s.notes), s.all, s.used)
		}
	}
	check()
	if _, err := openStore(path, 1); err == nil || !strings.Contains(err.Error(), "does the service run already?") {
		t.Errorf("the file is opened twice: %v", err)
	}
	s.close()
	s = open(t, path, 1<<20) // a restart
	check()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := s.get(first.Name, day.Add(24*time.Hour)); err != errNotFound {
		t.Errorf("a note that has ended: %v", err)
	}

	if err := s.delete(first.Name); err != nil { // the name is not the key
		t.Error(err)
	}
	check()
	for range 2 {
		if err := s.delete(r.ID); err != nil {
			t.Error(err)
		}
		if _, err := s.get(first.Name, day); err != errNotFound {
			t.Errorf("a note that was deleted: %v", err)
		}
		if _, err := s.put(r, holder{1}, day); err != errNotFound {
			t.Errorf("a put that comes late brings the note back: %v", err)
		}
	}
	if err := s.expire(day.Add(24 * time.Hour)); err != nil || len(s.notes) != 0 || s.all != 0 || len(s.used) != 0 {
		t.Errorf("after all: %v, %d notes, %d bytes", err, len(s.notes), s.all)
	}
	s.close()
	if s = open(t, path, 1); len(s.notes) != 0 {
		t.Error("what has ended is still on disk")
	}
}

// Whoever fills the store loses notes to others, and not the others to them.
func TestStoreFull(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "notes.db"), 10*1024)
	greedy, modest := holder{1}, holder{2}
	text := strings.Repeat("x", 1024-noteOverhead)
	mine, err := s.put(put(text), modest, day)
	if err != nil {
		t.Fatal(err)
	}
	var first, last answer
	for i := range 9 {
		r := put(text)
		r.Days = i + 1
		if last, err = s.put(r, greedy, day); err != nil {
			t.Fatal(i, err)
		}
		if i == 0 {
			first = last
		}
	}
	if _, err := s.put(put(text), greedy, day); err != errFull {
		t.Errorf("the one who has most gets more: %v", err)
	}
	if a, err := s.put(put(text), modest, day); err != nil {
		t.Errorf("the one who has little gets nothing: %+v, %v", a, err)
	}
	if _, err := s.put(put(text), holder{3}, day); err != nil {
		t.Errorf("a third gets nothing: %v", err)
	}
	if _, err := s.get(first.Name, day); err != errNotFound {
		t.Errorf("the note that ends soonest is kept: %v", err)
	}
	for _, a := range []answer{mine, last} {
		if _, err := s.get(a.Name, day); err != nil {
			t.Errorf("a note is gone that should not be: %v", err)
		}
	}
	if s.all > s.max {
		t.Errorf("%d bytes, want at most %d", s.all, s.max)
	}
	if _, err := s.put(put(strings.Repeat("x", 11*1024)), holder{4}, day); err != errFull {
		t.Errorf("a note that cannot fit: %v", err)
	}
}

// world runs a service and a client in memory.
func world(t *testing.T, o mixnettest.Options, l limits, do func(ctx context.Context, c *client, s *service)) {
	synctest.Test(t, func(t *testing.T) {
		pair := mixnettest.NewPair(o)
		store := open(t, filepath.Join(t.TempDir(), "notes.db"), l.store)
		s := newService(pair.B, store, l, zerolog.Nop())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		ended := make(chan error)
		go func() { ended <- s.run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		do(ctx, &client{m: pair.A, service: pair.B.Address(), again: 20 * time.Second}, s)
	})
}

func TestService(t *testing.T) {
	o := mixnettest.Options{Latency: 200 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.05, Duplicate: 0.2, Vanish: 0.2, CountSURBs: true, Seed: 7}
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint("plain ", plain), func(t *testing.T) {
			world(t, o, defaultLimits, func(ctx context.Context, c *client, _ *service) {
				c.plain = plain
				for i := range 20 {
					r := put(strings.Repeat("é", i*1000+1))
					a, err := c.ask(ctx, r)
					if err != nil || a.Name != r.ID.name() {
						t.Fatalf("put: %+v, %v", a, err)
					}
					b, err := c.ask(ctx, request{ID: newID(), Op: "get", Name: a.Name})
					if err != nil || b.Text != r.Text || b.Until != a.Until {
						t.Fatalf("get: %d bytes until %d, %v", len(b.Text), b.Until, err)
					}
					if _, err := c.ask(ctx, request{ID: newID(), Op: "delete", Key: r.ID}); err != nil {
						t.Fatalf("delete: %v", err)
					}
					if _, err := c.ask(ctx, request{ID: newID(), Op: "get", Name: a.Name}); !errors.As(err, new(*refusal)) || err.Error() != errNotFound.Error() {
						t.Fatalf("note %d: get what was deleted: %v", i, err)
					}
					time.Sleep(10 * time.Second)
				}
			})
		})
	}
}

// What is no request is dropped, what is a bad one answered, and nothing stops the service.
func TestServiceBadInput(t *testing.T) {
	world(t, mixnettest.Options{CountSURBs: true}, defaultLimits, func(ctx context.Context, c *client, s *service) {
		for _, b := range []string{"", "null", "{}", `{"notes":1,"id":"` + someID + `","op":"get","name":"` + someID + `"}`} {
			if err := c.m.Send(ctx, c.service, []byte(b), mixnet.SendOptions{}); err != nil {
				t.Error(err) // to the last, too, nobody can be answered
			}
		}
		_, err := c.ask(ctx, request{ID: newID(), Op: "get"})
		if refused := (*refusal)(nil); !errors.As(err, &refused) || refused.code != "bad-request" {
			t.Errorf("a bad request: %v", err)
		}
		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		c.service = c.m.Address() // nobody's service
		if _, err := c.ask(short, put("x")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does it run?") {
			t.Errorf("no service: %v", err)
		}
	})
}

func TestServiceLimits(t *testing.T) {
	l := defaultLimits
	l.senders = 3
	world(t, mixnettest.Options{CountSURBs: true}, l, func(ctx context.Context, c *client, s *service) {
		tag := mixnet.NewSenderTag()
		ask := func(tag mixnet.SenderTag) string {
			r, _ := json.Marshal(request{Notes: 1, ID: newID(), Op: "get", Name: newID()})
			if err := c.m.Send(ctx, c.service, r, mixnet.SendOptions{As: tag}); err != nil {
				t.Fatal(err)
			}
			m, err := c.m.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var a answer
			if err := json.Unmarshal(m.Body, &a); err != nil || m.To != tag {
				t.Fatal(err)
			}
			return a.Error
		}
		for i := range l.burst {
			if got := ask(tag); got != "not-found" {
				t.Fatalf("request %d: %s", i, got)
			}
		}
		if got := ask(tag); got != "too-fast" {
			t.Errorf("one more: %s", got)
		}
		if got := ask(mixnet.NewSenderTag()); got != "not-found" {
			t.Errorf("somebody else: %s", got)
		}
		time.Sleep(time.Second)
		if got := ask(tag); got != "not-found" {
			t.Errorf("a second later: %s", got)
		}
		for range 10 {
			ask(mixnet.NewSenderTag())
			time.Sleep(time.Second)
		}
		if len(s.senders) != l.senders {
			t.Errorf("%d senders are remembered, want %d", len(s.senders), l.senders)
		}
		// Everybody together: what is beyond is dropped, and time heals it.
		for range 3 * int(l.all) {
			if err := c.m.Send(ctx, c.service, []byte("x"), mixnet.SendOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s.all.Tokens() >= 1 {
			t.Errorf("%v requests are still free", s.all.Tokens())
		}
		time.Sleep(time.Minute)
		if got := ask(tag); got != "not-found" {
			t.Errorf("after the flood: %s", got)
		}
	})
}

// The service as a process of its own is killed between put and get.
func TestKilled(t *testing.T) {
	network, err := localnet.New(localnet.Spec{Directory: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- network.Run(ctx) }()
	<-network.Ready()
	state := t.TempDir()
	serve := func() (*clitest.Running, string) {
		p := clitest.Start(t, "service", clitest.Patience, "notes", "-directory", network.DirectoryURL(), "-state", state, "serve")
		address, ok := strings.CutPrefix(p.Line(t), "notes are kept at ")
		if !ok {
			t.Fatal("no address")
		}
		return p, address
	}
	notes := func(in string, args ...string) string {
		t.Helper()
		var out, log bytes.Buffer
		if err := run(ctx, append([]string{"-directory", network.DirectoryURL()}, args...), strings.NewReader(in), &out, &log); err != nil {
			t.Fatalf("notes %v: %v\n%s", args, err, &log)
		}
		return out.String()
	}
	field := func(out, name string) string {
		_, rest, _ := strings.Cut(out, name+" ")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}

	p, address := serve()
	kept := notes("a note that stays", "put", address)
	p.Signal(t, syscall.SIGKILL)
	p, again := serve()
	if again != address {
		t.Fatalf("after a restart the service is at %s, want %s", again, address)
	}
	if got := notes("", "get", address, field(kept, "name")); got != "a note that stays" {
		t.Errorf("after the service was killed the note is %q", got)
	}
	if got := notes("", "-plain", "get", address, field(kept, "name")); got != "a note that stays" {
		t.Errorf("asked plainly, the note is %q", got)
	}
	notes("", "delete", address, field(kept, "key"))
	p.End(t)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
