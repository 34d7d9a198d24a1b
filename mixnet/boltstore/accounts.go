package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// An account is what a gateway's file has of a client. It is in one of two
// buckets, by the kind of its key.
type account struct {
	registration
	bucket *bolt.Bucket
	legacy bool
}

// findAccount finds an account or fails with ErrUnknownClient.
func findAccount(tx *bolt.Tx, who name) (account, error) {
	for _, bucket := range [][]byte{accountsBucket, legacyBucket} {
		in := tx.Bucket(bucket)
		b := in.Get(who[:])
		if b == nil {
			continue
		}
		r, err := parseRegistration(b)
		return account{r, in, string(bucket) == string(legacyBucket)}, err
	}
	return account{}, sessionserver.ErrUnknownClient
}

// unspend forgets the nonces of a client.
func unspend(tx *bolt.Tx, who name) error {
	err := tx.Bucket(spentBucket).DeleteBucket(who[:])
	if errors.Is(err, bolterrors.ErrBucketNotFound) {
		return nil
	}
	return err
}

// Register implements [gateway.Accounts].
func (g *Gateway) Register(_ context.Context, client keys.Identity, key *keys.Session) error {
	return g.register(g.client(client), func(tx *bolt.Tx, who name, old account) error {
		r := old.registration
		r.key, r.used = key, time.Now()
		return errors.Join(
			tx.Bucket(accountsBucket).Put(who[:], r.append(nil)),
			tx.Bucket(legacyBucket).Delete(who[:]),
			unspend(tx, who),
		)
	})
}

// register puts an account in place of the one there is, which store gets, or of
// none, and counts it.
func (g *Gateway) register(who name, store func(tx *bolt.Tx, who name, old account) error) error {
	var refused error // no reason to undo the writes of others
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		refused = nil
		old, err := findAccount(tx, who)
		known := err != sessionserver.ErrUnknownClient
		if known && err != nil {
			return err
		}
		if !known {
			sums := tx.Bucket(sumsBucket)
			n, err := parseSum(sums.Get(clientsSum))
			if err != nil {
				return err
			}
			if n >= uint64(g.limits.Clients) {
				refused = sessionserver.ErrTooManyClients
				return nil
			}
			if err := putSum(sums, clientsSum, n+1); err != nil {
				return err
			}
		}
		switch err := store(tx, who, old); err {
		case sessionserver.ErrCurrentKey:
			refused = err
			return nil
		default:
			return err
		}
	})
	if err == nil {
		err = refused
	}
	return failed("register", err)
}

// removeAccount removes what there is of a client, and uncounts it.
func removeAccount(tx *bolt.Tx, who name) error {
	sums, counted := tx.Bucket(sumsBucket), uint64(0)
	for _, bucket := range [][]byte{accountsBucket, legacyBucket} {
		if tx.Bucket(bucket).Get(who[:]) != nil {
			counted++
		}
	}
	n, err := parseSum(sums.Get(clientsSum))
	if err != nil {
		return err
	}
	return errors.Join(
		putSum(sums, clientsSum, n-min(n, counted)),
		tx.Bucket(accountsBucket).Delete(who[:]),
		tx.Bucket(legacyBucket).Delete(who[:]),
		unspend(tx, who),
	)
}

// RegisterLegacy implements [gateway.Accounts].
func (g *Gateway) RegisterLegacy(_ context.Context, client keys.Identity, key *keys.LegacySession) error {
	return g.register(g.client(client), func(tx *bolt.Tx, who name, old account) error {
		if old.bucket != nil && !old.legacy {
			return sessionserver.ErrCurrentKey
		}
		// The record is that of a current key: 32 bytes and a time.
		r := old.registration
		r.key, r.used = keys.SessionFromBytes(*key.Bytes()), time.Now()
		return errors.Join(tx.Bucket(legacyBucket).Put(who[:], r.append(nil)), unspend(tx, who))
	})
}

// Lookup implements [gateway.Accounts].
func (g *Gateway) Lookup(_ context.Context, client keys.Identity) (sessionserver.Account, error) {
	who := g.client(client)
	var acc account
	err := g.file.db.View(func(tx *bolt.Tx) (err error) {
		acc, err = findAccount(tx, who)
		return err
	})
	switch {
	case err != nil:
		return sessionserver.Account{}, failed("look up", err)
	case acc.legacy:
		return sessionserver.Account{Legacy: keys.LegacySessionFromBytes(*acc.key.Bytes()), Seen: acc.seen, Proved: acc.proved}, nil
	}
	return sessionserver.Account{Key: acc.key, Seen: acc.seen, Proved: acc.proved}, nil
}

// Seen implements [gateway.Accounts]. A time that is accepted is on disk before
// Seen returns (H22); one that is refused costs no write.
func (g *Gateway) Seen(ctx context.Context, client keys.Identity, at uint64) (later bool, err error) {
	if acc, err := g.Lookup(ctx, client); err != nil || at <= acc.Seen {
		return false, err
	}
	who := g.client(client)
	return g.accept("note an authentication", who, func(_ *bolt.Tx, acc account) (bool, error) {
		if at <= acc.seen {
			return false, nil
		}
		acc.seen, acc.used = at, time.Now()
		return true, acc.bucket.Put(who[:], acc.append(nil))
	})
}

// Spend implements [gateway.Accounts]. A nonce that is accepted is on disk
// before Spend returns (H22); one that is refused changes nothing.
func (g *Gateway) Spend(_ context.Context, client keys.Identity, nonce []byte) (bool, error) {
	who := g.client(client)
	return g.accept("note a nonce", who, func(tx *bolt.Tx, acc account) (bool, error) {
		if acc.seen > 0 {
			return false, nil
		}
		b, err := tx.Bucket(spentBucket).CreateBucketIfNotExists(who[:])
		if err != nil {
			return false, err
		}
		if b.Sequence() >= sessionserver.MaxSpent || b.Get(nonce) != nil { // the sequence counts the nonces
			return false, nil
		}
		if _, err := b.NextSequence(); err != nil {
			return false, err
		}
		return true, b.Put(nonce, []byte{1})
	})
}

// accept makes a change of an account that may be refused.
func (g *Gateway) accept(what string, who name, change func(*bolt.Tx, account) (bool, error)) (accepted bool, err error) {
	var unknown bool
	err = g.file.commits.do(func(tx *bolt.Tx) error {
		accepted = false
		acc, err := findAccount(tx, who)
		if unknown = err == sessionserver.ErrUnknownClient; unknown {
			return nil // no reason to undo the writes of others
		}
		if err != nil {
			return err
		}
		accepted, err = change(tx, acc)
		return err
	})
	switch {
	case err != nil:
		return false, failed(what, err)
	case unknown:
		return false, sessionserver.ErrUnknownClient
	}
	return accepted, nil
}

// Prove implements [gateway.Accounts].
func (g *Gateway) Prove(_ context.Context, client keys.Identity) error {
	who := g.client(client)
	_, err := g.accept("note that a client is in use", who, func(_ *bolt.Tx, acc account) (bool, error) {
		acc.proved, acc.used = true, time.Now()
		return true, acc.bucket.Put(who[:], acc.append(nil))
	})
	return err
}

// ExpireAccounts implements [gateway.Accounts]. Like Expire it reads without
// stopping anybody, and removes little by little.
func (g *Gateway) ExpireAccounts(ctx context.Context, unused, absent time.Time) (n int, err error) {
	old := func(r registration) bool {
		if !r.proved && r.seen == 0 {
			return r.used.Before(unused)
		}
		return r.used.Before(absent)
	}
	for _, bucket := range [][]byte{accountsBucket, legacyBucket} {
		for from := []byte{}; from != nil; {
			if err := ctx.Err(); err != nil {
				return n, err
			}
			var doomed []name
			doomed, from, err = g.oldAccounts(bucket, from, old)
			if err != nil {
				return n, failed("find old registrations", err)
			}
			if len(doomed) == 0 {
				continue
			}
			var removed int
			err = g.file.commits.do(func(tx *bolt.Tx) error {
				removed = 0
				for _, who := range doomed {
					acc, err := findAccount(tx, who)
					if err == sessionserver.ErrUnknownClient || err == nil && !old(acc.registration) {
						continue // it was here since
					}
					if err != nil {
						return err
					}
					if err := removeAccount(tx, who); err != nil {
						return err
					}
					removed++
				}
				return nil
			})
			if err != nil {
				return n, failed("remove old registrations", err)
			}
			n += removed
		}
	}
	return n, nil
}

// oldAccounts finds some accounts that are old, and where to go on if there may
// be more.
func (g *Gateway) oldAccounts(bucket, from []byte, old func(registration) bool) (doomed []name, next []byte, err error) {
	err = g.file.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		for k, v := c.Seek(from); k != nil; k, v = c.Next() {
			if len(doomed) == expireGroup {
				next = bytes.Clone(k)
				return nil
			}
			r, err := parseRegistration(v)
			if err != nil {
				return err
			}
			if len(k) != nameSize {
				return fmt.Errorf("%w: name of %d bytes, want %d", ErrDamaged, len(k), nameSize)
			}
			if old(r) {
				doomed = append(doomed, name(k))
			}
		}
		return nil
	})
	return doomed, next, err
}

// Forget implements [gateway.Accounts].
func (g *Gateway) Forget(_ context.Context, client keys.Identity) error {
	who := g.client(client)
	err := g.file.commits.do(func(tx *bolt.Tx) error { return removeAccount(tx, who) })
	return failed("forget", err)
}

// failed says what was tried. The errors that callers ask for stay as they are.
func failed(what string, err error) error {
	switch err {
	case nil, sessionserver.ErrUnknownClient, gateway.ErrFull, sessionserver.ErrCurrentKey, sessionserver.ErrTooManyClients, dirserver.ErrMoved:
		return err
	}
	return fmt.Errorf("boltstore: %s: %w", what, explain(err))
}
