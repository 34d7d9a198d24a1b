package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/examples/chat/protocol"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

// A user is a person of a test, whose program need not run all the time.
type user struct {
	*person
	t    *testing.T
	m    *mixnettest.End
	dir  string
	name string
	stop func()
}

// start starts the program.
func (u *user) start() {
	u.t.Helper()
	b, err := openBook(filepath.Join(u.dir, "book.db"))
	if err != nil {
		u.t.Fatal(err)
	}
	b.db.NoSync, b.db.NoGrowSync = true, true // nothing here outlives the machine
	if u.person, err = newPerson(u.m, b, u.dir, u.name); err != nil {
		u.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- u.run(ctx) }()
	u.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			u.t.Error(u.name, err)
		}
		b.db.Close()
		u.stop = func() {}
	}
}

// with calls f as the owner of the person.
func (u *user) with(f func() error) {
	u.t.Helper()
	var err error
	if ended := u.do(func() { err = f() }); ended != nil || err != nil {
		u.t.Fatal(u.name, ended, err)
	}
}

// the gives the only contact.
func (u *user) the() *talk {
	u.t.Helper()
	var all []*talk
	u.with(func() error {
		for _, t := range u.contacts {
			all = append(all, t)
		}
		return nil
	})
	if len(all) != 1 {
		u.t.Fatalf("%s has %d contacts, want 1", u.name, len(all))
	}
	return all[0]
}

func (u *user) state() (s contactState) {
	t := u.the()
	u.with(func() error { s = t.State; return nil })
	return s
}

func (u *user) write(text string) {
	u.t.Helper()
	t := u.the()
	u.with(func() error { _, err := u.person.write(t, text); return err })
}

// talk gives the conversation as text.
func (u *user) talk() string {
	u.t.Helper()
	t := u.the()
	var b strings.Builder
	u.with(func() error {
		for _, e := range u.history(t, 0, 1000) {
			who := "<"
			if e.Out {
				who = ">"
			}
			fmt.Fprint(&b, who, e.Text)
			if e.File != nil {
				fmt.Fprintf(&b, "[%s %d/%d %s]", e.File.Name, e.File.Done, e.File.Size, e.File.State)
			}
			if e.Out {
				fmt.Fprint(&b, " ", e.State)
			}
			b.WriteByte('\n')
		}
		return nil
	})
	return b.String()
}

func (u *user) wants(talk string) {
	u.t.Helper()
	if got := u.talk(); got != talk {
		u.t.Errorf("%s sees\n%swant\n%s", u.name, got, talk)
	}
}

// meet runs two people in memory, over a mixnet with these vices.
func meet(t *testing.T, o mixnettest.Options, do func(alice, bob *user)) {
	synctest.Test(t, func(t *testing.T) {
		pair := mixnettest.NewPair(o)
		alice := &user{t: t, m: pair.A, dir: t.TempDir(), name: "Alice"}
		bob := &user{t: t, m: pair.B, dir: t.TempDir(), name: "Bob"}
		alice.start()
		defer func() { alice.stop() }()
		bob.start()
		defer func() { bob.stop() }()
		do(alice, bob)
	})
}

// befriend has alice ask, and bob agree.
func befriend(alice, bob *user) {
	alice.with(func() error { _, err := alice.add(bob.cardText, ""); return err })
	time.Sleep(time.Minute)
	b := bob.the()
	bob.with(func() error { return bob.decide(b, true) })
	time.Sleep(time.Minute)
	if alice.state() != known || bob.state() != known {
		alice.t.Fatalf("alice: %s, bob: %s, want known", alice.state(), bob.state())
	}
}

var usual = mixnettest.Options{Latency: 300 * time.Millisecond, Jitter: 200 * time.Millisecond, Loss: 0.02, Duplicate: 0.1, Seed: 3}

func TestTalk(t *testing.T) {
	meet(t, usual, func(alice, bob *user) {
		alice.with(func() error { _, err := alice.add(bob.cardText, "Bobby"); return err })
		alice.write("before you agree")
		time.Sleep(time.Minute)
		alice.wants(">before you agree waiting\n")
		if got := bob.the(); got.State != asks || got.label() != "Alice" {
			t.Fatalf("bob has %s, who %s", got.label(), got.State)
		}
		if got := alice.the().label(); got != "Bobby" {
			t.Errorf("alice calls bob %s", got)
		}
		bob.wants("") // nothing of a stranger is shown
		b := bob.the()
		bob.with(func() error {
			if _, err := bob.person.write(b, "x"); err == nil {
				t.Error("a stranger is written to")
			}
			return bob.decide(b, true)
		})
		bob.write("welcome")
		time.Sleep(time.Minute)
		alice.write("good evening")
		time.Sleep(time.Minute)
		alice.wants(">before you agree received\n<welcome\n>good evening received\n")
		if got := bob.talk(); !strings.Contains(got, "<before you agree\n") || !strings.Contains(got, ">welcome received\n") || !strings.HasSuffix(got, "<good evening\n") {
			t.Errorf("bob sees %s", got)
		}
		if a, b := alice.viewContact(alice.the()).Safety, bob.viewContact(bob.the()).Safety; a != b || len(a) != 35 {
			t.Errorf("safety numbers %s and %s", a, b)
		}
	})
}

// Two who say hello at the same time agree.
func TestBothAsk(t *testing.T) {
	meet(t, usual, func(alice, bob *user) {
		alice.with(func() error { _, err := alice.add(bob.cardText, ""); return err })
		bob.with(func() error { _, err := bob.add(alice.m.Address().String(), ""); return err }) // a bare address
		time.Sleep(time.Minute)
		if alice.state() != known || bob.state() != known {
			t.Fatalf("alice: %s, bob: %s", alice.state(), bob.state())
		}
		if got := bob.the().label(); got != "Alice" {
			t.Errorf("bob calls alice %s", got)
		}
	})
}

// One tick: the mail. Two ticks: the disk. A restart changes nothing.
func TestAway(t *testing.T) {
	meet(t, usual, func(alice, bob *user) {
		befriend(alice, bob)
		bob.stop()
		alice.write("are you there?")
		synctest.Wait()
		alice.wants(">are you there? waiting\n")
		time.Sleep(5 * time.Second)
		alice.wants(">are you there? sent\n")
		alice.stop()
		alice.start()
		alice.wants(">are you there? sent\n")
		bob.start()
		time.Sleep(time.Minute)
		alice.wants(">are you there? received\n")
		bob.wants("<are you there?\n")
		bob.write("now I am")
		time.Sleep(time.Minute)
		bob.wants("<are you there?\n>now I am received\n")
		alice.with(func() error { return alice.remove(alice.the0()) })
		bob.write("and you?")
		time.Sleep(time.Minute)
		bob.wants("<are you there?\n>now I am received\n>and you? sent\n")
	})
}

// the0 gives the only contact, for the owner.
func (u *user) the0() *talk {
	for _, t := range u.contacts {
		return t
	}
	return nil
}

// What the mixnet loses for good is sent again, and shown once.
func TestLost(t *testing.T) {
	o := usual
	o.Vanish, o.Duplicate = 0.3, 0.3
	meet(t, o, func(alice, bob *user) {
		alice.with(func() error { _, err := alice.add(bob.cardText, ""); return err })
		time.Sleep(24 * time.Hour)
		b := bob.the()
		bob.with(func() error { return bob.decide(b, true) })
		time.Sleep(48 * time.Hour)
		var want []string
		for i := range 20 {
			text := fmt.Sprint("line ", i)
			alice.write(text)
			want = append(want, ">"+text+" received")
		}
		time.Sleep(72 * time.Hour)
		alice.wants(strings.Join(want, "\n") + "\n")
		got := strings.Fields(strings.NewReplacer("<line ", "", ">", "").Replace(bob.talk()))
		slices.Sort(got)
		if len(got) != 20 || len(slices.Compact(got)) != 20 {
			t.Errorf("bob sees %v", got)
		}
	})
}

// A new name goes to contacts.
func TestNewName(t *testing.T) {
	meet(t, usual, func(alice, bob *user) {
		befriend(alice, bob)
		alice.stop()
		alice.name = "Alicia"
		alice.start()
		time.Sleep(time.Minute)
		if got := bob.the().label(); got != "Alicia" {
			t.Errorf("bob calls alice %s", got)
		}
		alice.m.Move() // to another gateway
		time.Sleep(time.Minute)
		bob.write("found you")
		time.Sleep(time.Minute)
		bob.wants(">found you received\n")
		if alice.the().CardID != (protocol.ID{}) {
			t.Error("the new card was not confirmed")
		}
	})
}

// sendFile offers a file from alice, of that size.
func sendFile(alice *user, size int) []byte {
	alice.t.Helper()
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(data)
	c, err := alice.copyFile("a file.bin", bytes.NewReader(data))
	if err != nil {
		alice.t.Fatal(err)
	}
	a := alice.the()
	alice.with(func() error { _, err := alice.offer(a, c); return err })
	time.Sleep(30 * time.Second)
	return data
}

// decide has bob take the last entry, or not.
func (u *user) decideLast(yes bool) {
	u.t.Helper()
	u.with(func() error {
		t := u.the0()
		all, err := u.book.entries(t.ID, 0, 1)
		if err != nil {
			return err
		}
		return u.decideFile(t, u.liveEntry(t, all[0]), yes)
	})
}

func TestFiles(t *testing.T) {
	for _, size := range []int{1, protocol.ChunkSize, protocol.ChunkSize + 1, 100 * protocol.ChunkSize} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			o := usual
			o.Rate = 500
			meet(t, o, func(alice, bob *user) {
				befriend(alice, bob)
				data := sendFile(alice, size)
				alice.wants(fmt.Sprintf(">[a file.bin 0/%d offered] received\n", size))
				bob.wants(fmt.Sprintf("<[a file.bin 0/%d offered]\n", size))
				bob.decideLast(true)
				time.Sleep(10 * time.Minute)
				alice.wants(fmt.Sprintf(">[a file.bin %d/%d complete] received\n", size, size))
				bob.wants(fmt.Sprintf("<[a file.bin %d/%d complete]\n", size, size))
				e, err := bob.book.entries(bob.the().ID, 0, 1)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(bob.received(e[0])); err != nil || !bytes.Equal(got, data) {
					t.Errorf("bob has %d bytes, %v", len(got), err)
				}
				if left, _ := filepath.Glob(alice.path("outgoing", "*")); left != nil {
					t.Errorf("copies are left: %v", left)
				}
			})
		})
	}
}

// A file goes on behind restarts of either side, and over a mixnet that loses some of it.
func TestFileGoesOn(t *testing.T) {
	o := usual
	o.Rate, o.Vanish = 100, 0.05
	meet(t, o, func(alice, bob *user) {
		alice.with(func() error { _, err := alice.add(bob.cardText, ""); return err })
		time.Sleep(24 * time.Hour)
		b := bob.the()
		bob.with(func() error { return bob.decide(b, true) })
		time.Sleep(48 * time.Hour)
		const size = 200*protocol.ChunkSize + 5
		data := sendFile(alice, size)
		time.Sleep(24 * time.Hour)
		bob.decideLast(true)
		for range 4 {
			time.Sleep(20 * time.Second)
			bob.stop()
			time.Sleep(time.Minute)
			var flying int
			alice.with(func() error {
				for _, o := range alice.the0().sending {
					flying = len(o.flight)
				}
				return nil
			})
			if flying > onTheWay {
				t.Errorf("%d chunks are on the way to one who is away", flying)
			}
			bob.start()
			time.Sleep(20 * time.Second)
			alice.stop()
			time.Sleep(10 * time.Second)
			alice.start()
		}
		time.Sleep(48 * time.Hour)
		alice.wants(fmt.Sprintf(">[a file.bin %d/%d complete] received\n", size, size))
		e, err := bob.book.entries(bob.the().ID, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(bob.received(e[0])); err != nil || !bytes.Equal(got, data) {
			t.Errorf("bob has %d bytes, %v", len(got), err)
		}
	})
}

func TestFileEnds(t *testing.T) {
	o := usual
	o.Rate = 100
	meet(t, o, func(alice, bob *user) {
		befriend(alice, bob)
		const size = 100 * protocol.ChunkSize
		sendFile(alice, size)
		bob.decideLast(false)
		time.Sleep(time.Minute)
		alice.wants(">[a file.bin 0/3276800 declined] received\n")

		for _, who := range []*user{alice, bob} {
			sendFile(alice, size)
			bob.decideLast(true)
			time.Sleep(10 * time.Second)
			who.decideLast(false)
			time.Sleep(time.Minute)
			for _, u := range []*user{alice, bob} {
				if got := u.talk(); !strings.Contains(got[strings.LastIndex(got, "["):], "canceled") {
					t.Errorf("%s sees %s", u.name, got)
				}
			}
		}
		// One that is not what was offered.
		sendFile(alice, size)
		copies, _ := filepath.Glob(alice.path("outgoing", "*"))
		if len(copies) != 1 {
			t.Fatal(copies)
		}
		if err := os.WriteFile(copies[0], make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		bob.decideLast(true)
		time.Sleep(5 * time.Minute)
		for _, u := range []*user{alice, bob} {
			if got := u.talk(); !strings.Contains(got[strings.LastIndex(got, "["):], "damaged") {
				t.Errorf("%s sees %s", u.name, got)
			}
		}
		for _, dir := range []string{bob.path("incoming", "*"), bob.path("files", "*"), alice.path("outgoing", "*")} {
			if left, _ := filepath.Glob(dir); left != nil {
				t.Errorf("left: %v", left)
			}
		}
		if _, err := alice.copyFile("../x", strings.NewReader("x")); err == nil {
			t.Error("a name of a folder is taken")
		}
		if _, err := alice.copyFile("empty", strings.NewReader("")); err == nil {
			t.Error("an empty file is taken")
		}
		if left, _ := filepath.Glob(alice.path("outgoing", "*")); left != nil {
			t.Errorf("left: %v", left)
		}
		// Of one that was copied and never offered nothing is left after a restart.
		if _, err := alice.copyFile("x", strings.NewReader("x")); err != nil {
			t.Error(err)
		}
		alice.stop()
		alice.start()
		if left, _ := filepath.Glob(alice.path("outgoing", "*")); left != nil {
			t.Errorf("left: %v", left)
		}
	})
}

// stranger signs messages to bob with a key of its own, as anybody may.
type stranger struct {
	key ed25519.PrivateKey
	m   mixnet.Messenger
}

func (s *stranger) send(t *testing.T, to mixnet.Recipient, target protocol.Target, id protocol.ID, b protocol.Body) {
	t.Helper()
	out, err := protocol.Seal(s.key, target, protocol.Message{ID: id, Time: time.Now(), Body: b})
	if err == nil {
		err = s.m.Send(t.Context(), to, out, mixnet.SendOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
}

func newStranger(m mixnet.Messenger, n byte) *stranger {
	return &stranger{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)), m}
}

// Strangers can ask, and nothing else. They cannot take the place of a contact whose
// address they claim.
func TestStrangers(t *testing.T) {
	meet(t, mixnettest.Options{Latency: time.Second}, func(alice, bob *user) {
		at, target := bob.m.Address(), protocol.ToAddress(bob.m.Address())
		bobKey := protocol.ToKey(bob.me)
		alice.stop()                                                                                             // her messenger is used by strangers, who read none of her mail
		newStranger(alice.m, 100).send(t, at, bobKey, protocol.NewID(), protocol.Hello{Card: alice.person.card}) // for nobody's address
		bob.with(func() error {
			if len(bob.contacts) != 0 {
				t.Error("a hello that was for somebody else is taken")
			}
			return nil
		})
		for i := range 40 {
			s := newStranger(alice.m, byte(i))
			s.send(t, at, bobKey, protocol.NewID(), protocol.Text("buy!"))
			s.send(t, at, bobKey, protocol.NewID(), protocol.Hello{Card: alice.person.card}) // for somebody else
			s.send(t, at, target, protocol.NewID(), protocol.Hello{Card: alice.person.card})
			s.send(t, at, bobKey, protocol.NewID(), protocol.Text("buy!"))
			s.send(t, at, bobKey, protocol.NewID(), protocol.Chunk{Data: []byte("x")})
			s.send(t, at, bobKey, protocol.NewID(), protocol.Have{})
		}
		var n int
		bob.with(func() error {
			n = len(bob.contacts)
			for _, c := range bob.contacts {
				if c.State != asks || len(c.held) != 0 || len(bob.history(c, 0, 10)) != 0 {
					t.Errorf("of a stranger: %s, %d held", c.State, len(c.held))
				}
			}
			return nil
		})
		if n != maxAsks {
			t.Errorf("%d strangers wait, want %d", n, maxAsks)
		}
		bob.with(func() error {
			for _, c := range bob.contacts {
				if err := bob.remove(c); err != nil {
					return err
				}
			}
			return nil
		})

		// Bob agrees to one who claims alice's address. What goes there the stranger
		// cannot read, so their messages are never shown.
		mallory := newStranger(alice.m, 99)
		mallory.send(t, at, target, protocol.NewID(), protocol.Hello{Card: alice.person.card})
		b := bob.the()
		bob.with(func() error { return bob.decide(b, true) })
		for range 2 * maxHeld {
			mallory.send(t, at, bobKey, protocol.NewID(), protocol.Text("it is me, Alice"))
		}
		mallory.send(t, at, bobKey, protocol.NewID(), protocol.Received{protocol.NewID()})
		mallory.send(t, at, bobKey, protocol.NewID(), protocol.Accept{Card: alice.person.card})
		bob.wants("")
		if got := bob.state(); got != accepted {
			t.Errorf("mallory is %s", got)
		}
		if len(b.held) > maxHeld {
			t.Errorf("%d messages are held, want at most %d", len(b.held), maxHeld)
		}
		bob.with(func() error { return bob.remove(b) })

		// Alice asks; mallory gets in between, with a hello of hers, then an accept.
		bob.with(func() error { _, err := bob.add(alice.person.cardText, ""); return err })
		mallory.send(t, at, target, protocol.NewID(), protocol.Hello{Card: alice.person.card})
		mallory.send(t, at, bobKey, protocol.NewID(), protocol.Accept{Hello: protocol.NewID(), Card: alice.person.card})
		mallory.send(t, at, bobKey, protocol.NewID(), protocol.Accept{Card: alice.person.card})
		if got := bob.state(); got == known {
			t.Error("mallory is taken for alice")
		}
		alice.start()
		time.Sleep(time.Minute)
		alice.with(func() error {
			for _, c := range alice.contacts {
				if c.State == asks {
					if err := alice.decide(c, true); err != nil {
						return err
					}
				}
			}
			return nil
		})
		time.Sleep(time.Minute)
		if k := bob.the().Key; bob.state() != known || *k != alice.me {
			t.Errorf("bob's contact is %s, with the key of %v", bob.state(), k)
		}
	})
}

// What a contact has signed for somebody else is not theirs to us, and what they have not
// signed is nobody's.
func TestForged(t *testing.T) {
	meet(t, usual, func(alice, bob *user) {
		befriend(alice, bob)
		send := func(key ed25519.PrivateKey, target protocol.Target, change func([]byte)) {
			t.Helper()
			b, err := protocol.Seal(key, target, protocol.Message{ID: protocol.NewID(), Time: time.Now(), Body: protocol.Text("hello")})
			if err != nil {
				t.Fatal(err)
			}
			change(b)
			if err := alice.m.Send(t.Context(), bob.m.Address(), b, mixnet.SendOptions{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		same := func([]byte) {}
		send(alice.key, protocol.ToKey(alice.me), same)
		send(alice.key, protocol.ToAddress(bob.m.Address()), same)
		send(alice.key, protocol.ToKey(bob.me), func(b []byte) { b[len(b)-65]++ })
		send(newStranger(nil, 7).key, protocol.ToKey(bob.me), func(b []byte) { copy(b[5:], alice.me[:]) })
		bob.wants("")
		send(alice.key, protocol.ToKey(bob.me), same)
		bob.wants("<hello\n")
	})
}

// Nothing that comes can stop a person.
func FuzzHandle(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	f.Add(uint8(4), []byte("hello"))
	f.Add(uint8(5), make([]byte, 32))
	f.Add(uint8(6), append(make([]byte, 7), "\x01 12345678901234567890123456789012name"...))
	f.Add(uint8(7), make([]byte, 30))
	f.Add(uint8(8), make([]byte, 28))
	f.Add(uint8(9), append(make([]byte, 16), 1))
	dir := f.TempDir()
	b, err := openBook(filepath.Join(dir, "book.db"))
	if err != nil {
		f.Fatal(err)
	}
	defer b.db.Close()
	pair := mixnettest.NewPair(mixnettest.Options{})
	p, err := newPerson(pair.A, b, dir, "Alice")
	if err != nil {
		f.Fatal(err)
	}
	p.send = func(*talk, []byte, func(error)) bool { return true }
	from := protocol.Key(key.Public().(ed25519.PublicKey))
	t := newTalk(&contact{State: known, Card: protocol.Card{Address: pair.B.Address(), Name: "Bob"}, Key: &from})
	if err := b.saveContact(t.contact); err != nil {
		f.Fatal(err)
	}
	p.contacts[t.ID] = t
	e := &entry{ID: protocol.ID{}, Out: false, File: &file{Name: "x", Size: 100 * protocol.ChunkSize, State: moving}}
	if err := b.saveEntry(t.ID, e); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(tt *testing.T, kind uint8, body []byte) {
		t.taking[e.ID] = newIncoming(e)
		defer func() {
			for _, in := range t.taking {
				in.close()
			}
		}()
		s, err := protocol.ParseBody(protocol.Kind(kind), body)
		if err != nil {
			return
		}
		m, err := protocol.Seal(key, protocol.ToKey(p.me), protocol.Message{ID: protocol.NewID(), Time: time.Now(), Body: s})
		if err != nil {
			return
		}
		p.handle(m, time.Now())
		p.tick(time.Now())
		p.handle(m, time.Now())
		if p.err != nil {
			tt.Fatal(p.err)
		}
	})
}
