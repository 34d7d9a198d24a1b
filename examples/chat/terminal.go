package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nym-socks5/examples/chat/protocol"
)

const help = `/card               your card, for others
/add CARD [NAME]    ask somebody to become a contact; CARD may be a picture of its QR code
/contacts           who there is, with numbers
/accept N, /ignore N   somebody who asks
/to N               write to them from now on; a line without / is sent
/history            the last lines
/file PATH          send a file
/take N, /refuse N  a file that was offered, or that moves, by the number of its line
/quit
`

// A terminal is a person's conversation in lines of text. What others write has no
// control characters in it (package protocol), so it cannot take the terminal over.
type terminal struct {
	p   *person
	out io.Writer
	to  uint64 // the contact we write to

	ticks    map[[2]uint64]entryState // that were shown, by contact and entry
	progress map[[2]uint64]string
}

func newTerminal(p *person, out io.Writer) *terminal {
	return &terminal{p: p, out: out, ticks: make(map[[2]uint64]entryState), progress: make(map[[2]uint64]string)}
}

func (t *terminal) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// run does what is typed until there is no more of it or ctx ends.
func (t *terminal) run(ctx context.Context, in io.Reader) error {
	var events chan event
	var stop func()
	if err := t.p.do(func() {
		events, stop = t.p.listen()
		t.say("you are %s; /help has the commands", t.p.name)
		t.say("your card: %s", t.p.cardText)
		t.contacts()
	}); err != nil {
		return err
	}
	defer t.p.do(func() { stop() })
	typed := make(chan string)
	go func() { // ends with the input, which cannot be interrupted
		defer close(typed)
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, protocol.MaxText+1024)
		for lines.Scan() {
			select {
			case typed <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-typed:
			if !ok || strings.TrimSpace(line) == "/quit" {
				return nil
			}
			if err := t.do(line); err != nil {
				t.say("%s", strings.TrimPrefix(err.Error(), "chat: "))
			}
		case e, ok := <-events:
			if !ok { // we were too slow
				if err := t.p.do(func() { events, stop = t.p.listen() }); err != nil {
					return nil
				}
				t.say("some lines were left out here: /history has them")
				continue
			}
			if err := t.p.do(func() { t.show(e) }); err != nil {
				return nil
			}
		}
	}
}

// do carries out a line that was typed.
func (t *terminal) do(line string) (err error) {
	command, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	if command == "" {
		return nil
	}
	if command == "/file" { // copied here, and not by the owner, who has other things to do
		return t.file(rest)
	}
	ended := t.p.do(func() {
		switch command {
		case "/help":
			fmt.Fprint(t.out, help)
		case "/card":
			var rows [][]bool
			if rows, err = qrCode(t.p.cardText); err == nil {
				t.say("%s%s", qrText(rows), t.p.cardText)
			}
		case "/add":
			err = t.add(rest)
		case "/contacts":
			t.contacts()
		case "/accept", "/ignore":
			var c *talk
			if c, err = t.contact(rest); err == nil {
				err = t.p.decide(c, command == "/accept")
			}
		case "/to":
			var c *talk
			if c, err = t.contact(rest); err == nil {
				t.to = c.ID
				t.say("to %s:", c.label())
			}
		case "/history":
			err = t.history()
		case "/take", "/refuse":
			err = t.decideFile(rest, command == "/take")
		default:
			if strings.HasPrefix(command, "/") {
				err = fmt.Errorf("chat: there is no %s; /help has what there is", command)
			} else {
				err = t.write(strings.TrimSpace(line))
			}
		}
	})
	return errors.Join(ended, err)
}

func (t *terminal) add(rest string) error {
	card, name, _ := strings.Cut(rest, " ")
	if f, err := os.Open(card); err == nil { // a picture
		defer f.Close()
		c, err := readQR(f)
		if err != nil {
			return err
		}
		card = c.String()
	}
	c, err := t.p.add(card, strings.TrimSpace(name))
	if err == nil {
		t.to = c.ID
	}
	return err
}

// contact finds the one with a number.
func (t *terminal) contact(s string) (*talk, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return nil, errors.New("chat: say the number of a contact; /contacts has them")
	}
	return t.p.find(n)
}

// current finds the contact we write to.
func (t *terminal) current() (*talk, error) {
	if t.to == 0 {
		return nil, errors.New("chat: to whom? /to N says so; /contacts has the numbers")
	}
	return t.p.find(t.to)
}

func (t *terminal) contacts() {
	for _, c := range t.p.viewContacts() {
		t.say("[%d] %s, %s", c.ID, c.Label, c.State)
	}
}

func (t *terminal) write(text string) error {
	c, err := t.current()
	if err != nil {
		return err
	}
	_, err = t.p.write(c, text)
	return err
}

func (t *terminal) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	defer f.Close()
	c, err := t.p.copyFile(filepath.Base(path), f)
	if err != nil {
		return err
	}
	ended := t.p.do(func() {
		var to *talk
		if to, err = t.current(); err == nil {
			_, err = t.p.offer(to, c)
		} else {
			os.Remove(t.p.path("outgoing", c.id.String()))
		}
	})
	return errors.Join(ended, err)
}

func (t *terminal) decideFile(s string, yes bool) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return errors.New("chat: say the number of the line with the file")
	}
	c, err := t.current()
	if err != nil {
		return err
	}
	e, err := t.p.entryOf(c, n)
	if err != nil {
		return err
	}
	return t.p.decideFile(c, e, yes)
}

func (t *terminal) history() error {
	c, err := t.current()
	if err != nil {
		return err
	}
	for _, e := range t.p.history(c, 0, 50) {
		from := c.label()
		if e.Out {
			from = "you"
		}
		what := e.Text
		if e.File != nil {
			what = fmt.Sprintf("file %q, %d of %d bytes, %s", e.File.Name, e.File.Done, e.File.Size, e.File.State)
		}
		t.say("%4d  %s  %s: %s  %s", e.Seq, e.Time.Format("Jan 2 15:04"), from, lines(what), tick(e.State))
	}
	return nil
}

// lines moves the lines of a text to the right, so that none looks like one of ours.
func lines(text string) string { return strings.ReplaceAll(text, "\n", "\n        ") }

func tick(s entryState) string {
	return map[entryState]string{waiting: "…", sent: "✓", received: "✓✓"}[s]
}

// show tells what has changed. The owner calls it.
func (t *terminal) show(e event) {
	if v := e.contact; v != nil && !v.Gone {
		key := [2]uint64{v.ID}
		if t.progress[key] == string(v.State) {
			return
		}
		t.progress[key] = string(v.State)
		switch v.State {
		case asks:
			t.say("[%d] %s asks to write to you: /accept %d or /ignore %d", v.ID, v.Label, v.ID, v.ID)
		case known:
			t.say("[%d] %s is a contact", v.ID, v.Label)
			if t.to == 0 {
				t.to = v.ID
			}
		}
		return
	}
	v := e.entry
	if v == nil {
		return
	}
	c, err := t.p.find(v.Contact)
	if err != nil {
		return
	}
	key := [2]uint64{v.Contact, v.Seq}
	old, before := t.ticks[key]
	t.ticks[key] = v.State
	switch {
	case v.File != nil:
		t.showFile(c, key, v)
	case !v.Out && !before:
		t.say("[%d] %s: %s", c.ID, c.label(), lines(v.Text))
		t.p.seen(c, v.Seq)
	case v.Out && v.State != old && v.State != waiting:
		t.say("%s to %s: %s", tick(v.State), c.label(), lines(v.Text))
	}
}

func (t *terminal) showFile(c *talk, key [2]uint64, v *entryView) {
	f := v.File
	state := string(f.State)
	if f.State == moving {
		state = fmt.Sprintf("%d %%", 100*f.Done/f.Size/10*10) // each tenth
	}
	if t.progress[key] == state {
		return
	}
	t.progress[key] = state
	switch {
	case f.State == offered && !v.Out:
		t.say("[%d] %s offers the file %q of %d bytes: /take %d or /refuse %d", c.ID, c.label(), f.Name, f.Size, v.Seq, v.Seq)
		t.p.seen(c, v.Seq)
	case f.State == complete && !v.Out:
		e, err := t.p.entryOf(c, v.Seq)
		if err == nil {
			t.say("file %q is in %s", f.Name, t.p.received(e))
		}
	default:
		t.say("file %q: %s", f.Name, state)
	}
}
