package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"nym-socks5/examples/chat/protocol"
)

// What pages and terminals are shown. All of these are copies.

type selfView struct {
	Name string `json:"name"`
	Card string `json:"card"`
}

type contactView struct {
	ID     uint64       `json:"id"`
	Gone   bool         `json:"gone,omitempty"`
	Label  string       `json:"label"`
	State  contactState `json:"state"`
	Card   string       `json:"card"`
	Unread int          `json:"unread"`
	Safety string       `json:"safety,omitempty"`
	Last   *entryView   `json:"last,omitempty"`
}

type entryView struct {
	Contact uint64     `json:"contact"`
	Seq     uint64     `json:"seq"`
	Out     bool       `json:"out"`
	Text    string     `json:"text,omitempty"`
	Time    time.Time  `json:"time"`
	State   entryState `json:"state,omitempty"`
	File    *fileView  `json:"file,omitempty"`
}

type fileView struct {
	Name  string    `json:"name"`
	Size  uint64    `json:"size"`
	Done  uint64    `json:"done"`
	State fileState `json:"state"`
}

func (p *person) viewEntry(t *talk, e *entry) *entryView {
	v := &entryView{Contact: t.ID, Seq: e.Seq, Out: e.Out, Text: e.Text, Time: e.Time, State: e.State}
	if f := e.File; f != nil {
		v.File = &fileView{Name: f.Name, Size: f.Size, State: f.State}
		if o := t.sending[e.ID]; o != nil {
			v.File.Done = bytesOf(f, o.have)
		} else if in := t.taking[e.ID]; in != nil {
			v.File.Done = bytesOf(f, in.have)
		}
		if f.State == complete {
			v.File.Done = f.Size
		}
	}
	return v
}

func (p *person) viewContact(t *talk) *contactView {
	v := &contactView{ID: t.ID, Label: t.label(), State: t.State, Card: t.Card.String()}
	if t.State == known {
		v.Safety = safety(p.me, *t.Key)
	}
	last, err := p.book.entries(t.ID, 0, 100)
	p.saved(err)
	for _, e := range last {
		if !e.Out && e.Seq > t.Seen {
			v.Unread++
		}
	}
	if len(last) > 0 {
		v.Last = p.viewEntry(t, last[len(last)-1])
	}
	return v
}

// history gives up to n entries before one.
func (p *person) history(t *talk, before uint64, n int) []*entryView {
	all, err := p.book.entries(t.ID, before, n)
	p.saved(err)
	views := make([]*entryView, len(all))
	for i, e := range all {
		views[i] = p.viewEntry(t, p.liveEntry(t, e))
	}
	return views
}

// liveEntry gives the entry in memory that stands for one from disk.
func (p *person) liveEntry(t *talk, e *entry) *entry {
	if live := t.pending[e.ID]; live != nil {
		return live
	}
	if o := t.sending[e.ID]; o != nil {
		return o.e
	}
	if in := t.taking[e.ID]; in != nil {
		return in.e
	}
	return e
}

// entryOf finds an entry by its number.
func (p *person) entryOf(t *talk, seq uint64) (*entry, error) {
	all, err := p.book.entries(t.ID, seq+1, 1)
	if err == nil && len(all) == 0 {
		all, err = p.book.entries(t.ID, 0, 1) // the last one has none behind it
	}
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || all[0].Seq != seq {
		return nil, fmt.Errorf("chat: there is no entry %d", seq)
	}
	return p.liveEntry(t, all[0]), nil
}

// seen notes that what has come by now was read.
func (p *person) seen(t *talk, seq uint64) {
	if seq > t.Seen {
		t.Seen = seq
		p.saved(p.book.saveContact(t.contact))
		p.changed(t, nil)
	}
}

// viewContacts gives all contacts, those with news first.
func (p *person) viewContacts() []*contactView {
	all := make([]*contactView, 0, len(p.contacts))
	for _, t := range p.contacts {
		all = append(all, p.viewContact(t))
	}
	slices.SortFunc(all, func(a, b *contactView) int {
		at, bt := time.Time{}, time.Time{}
		if a.Last != nil {
			at = a.Last.Time
		}
		if b.Last != nil {
			bt = b.Last.Time
		}
		if c := bt.Compare(at); c != 0 {
			return c
		}
		return int(int64(b.ID) - int64(a.ID))
	})
	return all
}

// safety is a number that two people can compare by voice: it is the same for both if
// each has the key of the other.
func safety(a, b protocol.Key) string {
	if slices.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	h := sha256.Sum256(append(append([]byte("nym-chat safety\n"), a[:]...), b[:]...))
	var groups []string
	for i := range 6 {
		groups = append(groups, fmt.Sprintf("%05d", binary.BigEndian.Uint32(h[4*i:])%100_000))
	}
	return strings.Join(groups, " ")
}

// changed tells listeners of an entry, or of a contact where there is none.
func (p *person) changed(t *talk, e *entry) {
	if len(p.listeners) == 0 {
		return
	}
	if e != nil {
		p.publish(event{entry: p.viewEntry(t, e)})
	} else {
		p.publish(event{contact: p.viewContact(t)})
	}
}

// publish gives an event to all who listen. Who does not read is cut off, and looks
// anew.
func (p *person) publish(e event) {
	for l := range p.listeners {
		select {
		case l <- e:
		default:
			close(l)
			delete(p.listeners, l)
		}
	}
}

// listen gives events from now on, until the channel is closed or stop is called.
// The owner calls both.
func (p *person) listen() (events chan event, stop func()) {
	l := make(chan event, maxEvents)
	p.listeners[l] = struct{}{}
	return l, func() { delete(p.listeners, l) }
}
