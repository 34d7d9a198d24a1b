package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
)

const (
	// mailCost is what a message takes on disk beside its bytes, about.
	mailCost = 128
	// expireGroup is how much mail is removed in one commit.
	expireGroup = 1024
)

// Keys of sums over all clients; no name is as short.
var (
	totalSum    = []byte("total")    // bytes of mail
	unprovedSum = []byte("unproved") // bytes of them that were stored as unproved
	clientsSum  = []byte("clients")  // registrations
)

// mailbox is what belongs to mail in one transaction.
//
//	mail   id ─▶ message            new mail goes to the end: few pages change
//	index  client, id ─▶ entry      in the order of ids for each client
//	sums   client ─▶ bytes          and that of all
type mailbox struct{ mail, index, sums *bolt.Bucket }

func openMailbox(tx *bolt.Tx) mailbox {
	m := mailbox{tx.Bucket(mailBucket), tx.Bucket(indexBucket), tx.Bucket(sumsBucket)}
	m.mail.FillPercent = 1 // ids only grow
	return m
}

// usage is what is stored, and of that what a client has.
func (m mailbox) usage(who name) (gateway.Usage, error) {
	box, err1 := parseSum(m.sums.Get(who[:]))
	total, err2 := parseSum(m.sums.Get(totalSum))
	unproved, err3 := parseSum(m.sums.Get(unprovedSum))
	return gateway.Usage{Box: int(box), Total: int(total), Unproved: int(unproved)}, errors.Join(err1, err2, err3)
}

// charge adds what a message costs to what a client has, or takes it away.
func (m mailbox) charge(who name, e entry, sign int64) error {
	sums := [][]byte{who[:], totalSum}
	if e.unproved {
		sums = append(sums, unprovedSum)
	}
	for _, key := range sums {
		sum, err := parseSum(m.sums.Get(key))
		if err != nil {
			return err
		}
		if err := putSum(m.sums, key, sum+uint64(sign*(int64(e.size)+mailCost))); err != nil {
			return err
		}
	}
	return nil
}

// put adds a message.
func (m mailbox) put(who name, mail gateway.Mail) error {
	id, err := m.mail.NextSequence()
	if err != nil {
		return err
	}
	e := entry{arrived: mail.Arrived, unproved: mail.Unproved, size: uint32(len(mail.Message))}
	if err := m.mail.Put(binary.BigEndian.AppendUint64(nil, id), mail.Message); err != nil {
		return err
	}
	if err := m.index.Put(entryKey(who, id), e.append(nil)); err != nil {
		return err
	}
	return m.charge(who, e, 1)
}

// remove takes out mail by its key in the index. What is gone already is no error.
func (m mailbox) remove(key []byte) (removed bool, err error) {
	who, id, err := parseEntryKey(key)
	if err != nil {
		return false, err
	}
	value := m.index.Get(key)
	if value == nil {
		return false, nil
	}
	e, err := parseEntry(value)
	if err != nil {
		return false, err
	}
	if err := m.mail.Delete(binary.BigEndian.AppendUint64(nil, id)); err != nil {
		return false, err
	}
	if err := m.index.Delete(key); err != nil {
		return false, err
	}
	return true, m.charge(who, e, -1)
}

// Put implements [gateway.Inbox]. What it stored is on disk when it returns.
func (g *Gateway) Put(_ context.Context, mail []gateway.Mail) []error {
	errs := make([]error, len(mail))
	if len(mail) == 0 {
		return errs
	}
	whose := make([]name, len(mail))
	for i := range mail {
		whose[i] = g.client(mail[i].Client)
	}
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		m := openMailbox(tx)
		for i := range mail {
			errs[i] = nil
			u, err := m.usage(whose[i])
			if err == nil && g.limits.Room(u, len(mail[i].Message)+mailCost, mail[i].Unproved) {
				err = m.put(whose[i], mail[i])
			} else if err == nil {
				errs[i] = gateway.ErrFull
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = failed("store mail", err)
		}
	}
	for i, err := range errs {
		if err == nil {
			g.watches.Arrived(mail[i].Client)
		}
	}
	return errs
}

// Watch implements [gateway.Inbox].
func (g *Gateway) Watch(client keys.Identity, arrived func()) (stop func()) {
	return g.watches.Watch(client, arrived)
}

// Fetch implements [gateway.Inbox].
func (g *Gateway) Fetch(_ context.Context, client keys.Identity, after uint64, n int) (out []gateway.Mail, err error) {
	if after == math.MaxUint64 {
		return nil, nil
	}
	who := g.client(client)
	err = g.file.db.View(func(tx *bolt.Tx) error {
		m := openMailbox(tx)
		c := m.index.Cursor()
		for k, v := c.Seek(entryKey(who, after+1)); bytes.HasPrefix(k, who[:]) && len(out) < n; k, v = c.Next() {
			_, id, err := parseEntryKey(k)
			if err != nil {
				return err
			}
			e, err := parseEntry(v)
			if err != nil {
				return err
			}
			message := m.mail.Get(k[nameSize:])
			if len(message) != int(e.size) {
				return fmt.Errorf("%w: message of %d bytes, want %d", ErrDamaged, len(message), e.size)
			}
			out = append(out, gateway.Mail{ID: id, Client: client, Message: bytes.Clone(message), Arrived: e.arrived})
		}
		return nil
	})
	if err != nil {
		return nil, failed("fetch mail", err)
	}
	return out, nil
}

// Delete implements [gateway.Inbox].
func (g *Gateway) Delete(_ context.Context, client keys.Identity, upTo uint64) error {
	who := g.client(client)
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		m := openMailbox(tx)
		var doomed [][]byte // a cursor does not like deletions
		last := entryKey(who, upTo)
		c := m.index.Cursor()
		for k, _ := c.Seek(who[:]); k != nil && bytes.Compare(k, last) <= 0; k, _ = c.Next() {
			doomed = append(doomed, bytes.Clone(k))
		}
		for _, k := range doomed {
			if _, err := m.remove(k); err != nil {
				return err
			}
		}
		return nil
	})
	return failed("delete mail", err)
}

// Expire implements [gateway.Inbox]. It reads the index without stopping
// anybody, and removes little by little, so that others write in between.
func (g *Gateway) Expire(ctx context.Context, before time.Time) (n int, err error) {
	var from []byte
	for {
		old, next, err := g.expired(from, before)
		if err != nil {
			return n, failed("find old mail", err)
		}
		if len(old) > 0 {
			var removed int
			err := g.file.commits.do(func(tx *bolt.Tx) error {
				removed = 0
				m := openMailbox(tx)
				for _, k := range old {
					ok, err := m.remove(k)
					if err != nil {
						return err
					}
					if ok {
						removed++
					}
				}
				return nil
			})
			if err != nil {
				return n, failed("remove old mail", err)
			}
			n += removed
		}
		if next == nil {
			return n, nil
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
		from = next
	}
}

// expired finds the keys of mail that arrived before a time, and where to go on
// if there may be more.
func (g *Gateway) expired(from []byte, before time.Time) (old [][]byte, next []byte, err error) {
	err = g.file.db.View(func(tx *bolt.Tx) error {
		c := openMailbox(tx).index.Cursor()
		k, v := c.First()
		if from != nil {
			k, v = c.Seek(from)
		}
		for ; k != nil; k, v = c.Next() {
			if len(old) == expireGroup {
				next = bytes.Clone(k)
				return nil
			}
			e, err := parseEntry(v)
			if err != nil {
				return err
			}
			if e.arrived.Before(before) {
				old = append(old, bytes.Clone(k))
			}
		}
		return nil
	})
	return old, next, err
}
