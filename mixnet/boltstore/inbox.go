package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
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

// totalSum is the key of the sum over all clients; no name is as short.
var totalSum = []byte("total")

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

// room says whether there is room for n more bytes of a client.
func (m mailbox) room(who name, n uint64, l gateway.Limits) (bool, error) {
	own, err := parseSum(m.sums.Get(who[:]))
	if err != nil {
		return false, err
	}
	all, err := parseSum(m.sums.Get(totalSum))
	return own+n <= uint64(l.ClientBytes) && all+n <= uint64(l.TotalBytes), err
}

// charge adds n bytes to what a client has, or takes them away.
func (m mailbox) charge(who name, n int64) error {
	for _, key := range [][]byte{who[:], totalSum} {
		sum, err := parseSum(m.sums.Get(key))
		if err != nil {
			return err
		}
		if sum += uint64(n); sum == 0 {
			err = m.sums.Delete(key)
		} else {
			err = m.sums.Put(key, binary.BigEndian.AppendUint64(nil, sum))
		}
		if err != nil {
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
	e := entry{arrived: mail.Arrived, size: uint32(len(mail.Message))}
	if err := m.mail.Put(binary.BigEndian.AppendUint64(nil, id), mail.Message); err != nil {
		return err
	}
	if err := m.index.Put(entryKey(who, id), e.append(nil)); err != nil {
		return err
	}
	return m.charge(who, int64(e.size)+mailCost)
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
	return true, m.charge(who, -int64(e.size)-mailCost)
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
			ok, err := m.room(whose[i], uint64(len(mail[i].Message))+mailCost, g.limits)
			if err == nil && ok {
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
	return errs
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
