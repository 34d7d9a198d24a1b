package main

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"nym-socks5/examples/chat/protocol"
)

// A contact is somebody we write to, or somebody who asks to become one.
type contact struct {
	ID    uint64        `json:"id"`
	State contactState  `json:"state"`
	Card  protocol.Card `json:"-"`
	Text  string        `json:"card"`           // Card as text
	Key   *protocol.Key `json:"key,omitempty"`  // nil: not known yet
	Name  string        `json:"name,omitempty"` // what we call them; empty: what they call themselves
	Seen  uint64        `json:"seen"`           // the last entry that we have read

	Hello  protocol.ID `json:"hello"`  // of ours to them
	Theirs protocol.ID `json:"theirs"` // of theirs to us
	Accept protocol.ID `json:"accept"` // of our answer to that
	CardID protocol.ID `json:"cardID"` // of the news of our card
	Told   string      `json:"told"`   // the card of ours that they know
	Retry  retry       `json:"retry"`  // of the hello, the accept or the card
}

// A contactState says how far two people are with becoming contacts.
//
//	asked ──accept came──▶ known        asks ──we agree──▶ accepted ──received came──▶ known
//	  └──their hello came──▶ accepted     └──we do not──▶ ignored
type contactState string

const (
	asked    contactState = "asked"    // we have sent a hello
	asks     contactState = "asks"     // they have, and we have not decided
	accepted contactState = "accepted" // we have, and they do not know it yet
	known    contactState = "known"    // each knows whose key is whose
	ignored  contactState = "ignored"  // they asked, and we do not want them
)

// label is what a contact is called.
func (c *contact) label() string {
	switch {
	case c.Name != "":
		return c.Name
	case c.Card.Name != "":
		return c.Card.Name
	}
	return c.Card.Address.Identity.String()[:8]
}

// An entry is a line of a conversation.
type entry struct {
	Seq   uint64      `json:"seq"`
	ID    protocol.ID `json:"id"`
	Out   bool        `json:"out"` // from us
	Text  string      `json:"text,omitempty"`
	File  *file       `json:"file,omitempty"`
	Time  time.Time   `json:"time"` // by the writer's clock
	State entryState  `json:"state,omitempty"`
	Retry retry       `json:"retry"`
}

// An entryState says how far something of ours has come.
type entryState string

const (
	waiting  entryState = "waiting"  // it has not left
	sent     entryState = "sent"     // the recipient's gateway has it
	received entryState = "received" // the recipient has it on disk
)

// A file is one that is sent or received.
type file struct {
	Name  string    `json:"name"`
	Size  uint64    `json:"size"`
	Hash  [32]byte  `json:"hash"`
	State fileState `json:"state"`
	Below uint32    `json:"below"` // chunks that are there without a gap
}

// A fileState says how far a file has come.
type fileState string

const (
	offered  fileState = "offered"  // the recipient has not decided
	moving   fileState = "moving"   // chunks are on the way
	complete fileState = "complete" // the recipient has it
	declined fileState = "declined"
	canceled fileState = "canceled"
	damaged  fileState = "damaged"
)

func (s fileState) over() bool { return s != offered && s != moving }

// A retry says when something is sent again that was not confirmed.
type retry struct {
	First time.Time `json:"first,omitzero"` // when it was sent first
	Last  time.Time `json:"last,omitzero"`  // and last
	Next  time.Time `json:"next,omitzero"`  // when it will be; zero: it is not
	Tries int       `json:"tries,omitempty"`
}

// sent counts a try: ../PROTOCOL.md has the times.
func (r *retry) sent(now time.Time) {
	if r.First.IsZero() {
		r.First = now
	}
	r.Last, r.Next = now, now.Add(min(10*time.Minute<<(2*min(r.Tries, 8)), 24*time.Hour))
	r.Tries++
	if r.Next.Sub(r.First) > 14*24*time.Hour {
		r.Next = time.Time{}
	}
}

func (r *retry) due(now time.Time) bool { return !r.Next.IsZero() && !now.Before(r.Next) }

// alive brings the next try forward, since the other shows signs of life: what it
// already has in its mail is confirmed before.
func (r *retry) alive(now time.Time) {
	if soon := now.Add(30 * time.Second); !r.First.IsZero() && now.Sub(r.Last) > time.Minute && (r.Next.IsZero() || r.Next.After(soon)) {
		r.Next = soon
	}
}

// A book has on disk what a person knows: their key, contacts and conversations, in
// one file that only they can read. Each change is on disk when its method returns.
//
//	self      key, name, addresses
//	contacts  id ──▶ contact
//	talk      id ──▶ a bucket: seq ──▶ entry
//	ids       id ──▶ a bucket: id of a message ──▶ seq
type book struct{ db *bbolt.DB }

var bucketSelf, bucketContacts, bucketTalk, bucketIDs = []byte("self"), []byte("contacts"), []byte("talk"), []byte("ids")

func openBook(path string) (*book, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("chat: %s is in use: does a chat run with this folder already?", path)
	}
	if err != nil {
		return nil, fmt.Errorf("chat: open %s: %w", path, err)
	}
	b := &book{db}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketSelf, bucketContacts, bucketTalk, bucketIDs} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		self := tx.Bucket(bucketSelf)
		if v := self.Get([]byte("version")); v != nil && string(v) != "1" {
			return errors.New("a newer chat wrote this")
		}
		if self.Get([]byte("key")) == nil {
			_, key, err := ed25519.GenerateKey(nil)
			if err != nil {
				return err
			}
			return errors.Join(self.Put([]byte("version"), []byte("1")), self.Put([]byte("key"), key.Seed()))
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("chat: %s: %w", path, err), db.Close())
	}
	return b, nil
}

// self gives what is kept under a name of ours; nil: nothing.
func (b *book) self(name string) (v []byte) {
	b.db.View(func(tx *bbolt.Tx) error {
		v = append(v, tx.Bucket(bucketSelf).Get([]byte(name))...)
		return nil
	})
	return v
}

func (b *book) setSelf(name string, v []byte) error {
	return b.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketSelf).Put([]byte(name), v) })
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func putJSON(b *bbolt.Bucket, n uint64, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(number(n), text)
}

// contacts gives all of them.
func (b *book) contacts() (all []*contact, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketContacts).ForEach(func(_, v []byte) error {
			c := new(contact)
			err := json.Unmarshal(v, c)
			if err == nil {
				c.Card, err = protocol.ParseCard(c.Text)
			}
			all = append(all, c)
			return err
		})
	})
	if err != nil {
		err = fmt.Errorf("chat: damaged contact: %w", err)
	}
	return all, err
}

// saveContact keeps a contact, and gives a new one its number.
func (b *book) saveContact(c *contact) error {
	c.Text = c.Card.String()
	return b.db.Update(func(tx *bbolt.Tx) (err error) {
		contacts := tx.Bucket(bucketContacts)
		if c.ID == 0 {
			if c.ID, err = contacts.NextSequence(); err != nil {
				return err
			}
			for _, name := range [][]byte{bucketTalk, bucketIDs} {
				if _, err := tx.Bucket(name).CreateBucket(number(c.ID)); err != nil {
					return err
				}
			}
		}
		return putJSON(contacts, c.ID, c)
	})
}

// removeContact forgets a contact and what was said.
func (b *book) removeContact(id uint64) error {
	return b.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.Bucket(bucketContacts).Delete(number(id)),
			tx.Bucket(bucketTalk).DeleteBucket(number(id)), tx.Bucket(bucketIDs).DeleteBucket(number(id)))
	})
}

// saveEntry keeps a line of a conversation, and gives a new one its number.
func (b *book) saveEntry(contact uint64, e *entry) error {
	return b.db.Update(func(tx *bbolt.Tx) (err error) {
		talk, ids := tx.Bucket(bucketTalk).Bucket(number(contact)), tx.Bucket(bucketIDs).Bucket(number(contact))
		if talk == nil || ids == nil {
			return nil // the contact was removed meanwhile
		}
		if e.Seq == 0 {
			if e.Seq, err = talk.NextSequence(); err != nil {
				return err
			}
			if err := ids.Put(e.ID[:], number(e.Seq)); err != nil {
				return err
			}
		}
		return putJSON(talk, e.Seq, e)
	})
}

// entries gives up to n lines before one, the newest last; before 0 are the last ones.
func (b *book) entries(contact, before uint64, n int) (all []*entry, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		talk := tx.Bucket(bucketTalk).Bucket(number(contact))
		if talk == nil {
			return nil
		}
		c := talk.Cursor()
		k, v := c.Last()
		if before != 0 {
			if k, _ = c.Seek(number(before)); k == nil {
				return nil
			}
			k, v = c.Prev()
		}
		for ; k != nil && len(all) < n; k, v = c.Prev() {
			e := new(entry)
			if err := json.Unmarshal(v, e); err != nil {
				return fmt.Errorf("chat: damaged entry: %w", err)
			}
			all = append([]*entry{e}, all...)
		}
		return nil
	})
	return all, err
}

// find gives the entry with the id of a message; nil if there is none.
func (b *book) find(contact uint64, id protocol.ID) (e *entry, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		talk, ids := tx.Bucket(bucketTalk).Bucket(number(contact)), tx.Bucket(bucketIDs).Bucket(number(contact))
		if talk == nil || ids == nil {
			return nil
		}
		seq := ids.Get(id[:])
		if seq == nil {
			return nil
		}
		e = new(entry)
		return json.Unmarshal(talk.Get(seq), e)
	})
	return e, err
}
