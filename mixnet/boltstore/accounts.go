package boltstore

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// An account is what a gateway's file has of a client. It is in one of two
// buckets, by the kind of its key.
type account struct {
	grant
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
		g, err := parseGrant(b)
		return account{g, in, string(bucket) == string(legacyBucket)}, err
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
	who := g.client(client)
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		old, err := findAccount(tx, who)
		if err != nil && err != sessionserver.ErrUnknownClient {
			return err
		}
		return errors.Join(
			tx.Bucket(accountsBucket).Put(who[:], grant{key: key, seen: old.seen}.append(nil)),
			tx.Bucket(legacyBucket).Delete(who[:]),
			unspend(tx, who),
		)
	})
	return failed("register", err)
}

// RegisterLegacy implements [gateway.Accounts].
func (g *Gateway) RegisterLegacy(_ context.Context, client keys.Identity, key *keys.LegacySession) error {
	who := g.client(client)
	var current bool
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		old, err := findAccount(tx, who)
		if err != nil && err != sessionserver.ErrUnknownClient {
			return err
		}
		if current = err == nil && !old.legacy; current {
			return nil // no reason to undo the writes of others
		}
		// The record is that of a current key: 32 bytes and a time.
		acc := grant{key: keys.SessionFromBytes(*key.Bytes()), seen: old.seen}
		return errors.Join(tx.Bucket(legacyBucket).Put(who[:], acc.append(nil)), unspend(tx, who))
	})
	if err == nil && current {
		return sessionserver.ErrCurrentKey
	}
	return failed("register", err)
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
		return sessionserver.Account{Legacy: keys.LegacySessionFromBytes(*acc.key.Bytes()), Seen: acc.seen}, nil
	}
	return sessionserver.Account{Key: acc.key, Seen: acc.seen}, nil
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
		acc.seen = at
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

// Forget implements [gateway.Accounts].
func (g *Gateway) Forget(_ context.Context, client keys.Identity) error {
	who := g.client(client)
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		return errors.Join(
			tx.Bucket(accountsBucket).Delete(who[:]),
			tx.Bucket(legacyBucket).Delete(who[:]),
			unspend(tx, who),
		)
	})
	return failed("forget", err)
}

// failed says what was tried. The errors that callers ask for stay as they are.
func failed(what string, err error) error {
	switch err {
	case nil, sessionserver.ErrUnknownClient, gateway.ErrFull:
		return err
	}
	return fmt.Errorf("boltstore: %s: %w", what, explain(err))
}
