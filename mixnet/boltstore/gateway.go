package boltstore

import (
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
)

// The buckets of a gateway's file.
var (
	accountsBucket = []byte("accounts") // name of the client: grant
	mailBucket     = []byte("mail")     // id (8): message
	indexBucket    = []byte("index")    // name of the client, id (8): entry
	sumsBucket     = []byte("sums")     // name of the client, or total: bytes (8)
)

var gatewaySchema = schema{
	program: "gateway",
	version: 1,
	buckets: []string{string(accountsBucket), string(mailBucket), string(indexBucket), string(sumsBucket)},
}

// A Gateway keeps a gateway's clients and their mail in one file. It implements
// [gateway.Accounts] and [gateway.Inbox]. Its calls take as long as the disk
// does, whatever their context says.
type Gateway struct {
	file   *file
	limits gateway.Limits
}

var (
	_ gateway.Accounts = (*Gateway)(nil)
	_ gateway.Inbox    = (*Gateway)(nil)
)

// OpenGateway opens a gateway's file, and makes it if there is none. Its
// directory must exist. Limits that are zero are those of the store in memory. Errors may wrap [ErrInUse], [ErrVersion] and
// [ErrDamaged].
func OpenGateway(path string, l gateway.Limits) (*Gateway, error) {
	f, err := open(path, gatewaySchema, openBolt)
	if err != nil {
		return nil, err
	}
	return newGateway(f, l), nil
}

func newGateway(f *file, l gateway.Limits) *Gateway {
	if l.ClientBytes == 0 {
		l.ClientBytes = 16 << 20
	}
	if l.TotalBytes == 0 {
		l.TotalBytes = 1 << 30
	}
	return &Gateway{file: f, limits: l}
}

// Close waits for calls under way and closes the file; later calls fail.
func (g *Gateway) Close() error { return g.file.close() }

func (g *Gateway) client(id keys.Identity) name { return g.file.name(id[:]) }

// Register implements [gateway.Accounts].
func (g *Gateway) Register(_ context.Context, client keys.Identity, key *keys.Session) error {
	who := g.client(client)
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		b := tx.Bucket(accountsBucket)
		acc := grant{key: key}
		if old := b.Get(who[:]); old != nil {
			was, err := parseGrant(old)
			if err != nil {
				return err
			}
			acc.seen = was.seen
		}
		return b.Put(who[:], acc.append(nil))
	})
	return failed("register", err)
}

// Lookup implements [gateway.Accounts].
func (g *Gateway) Lookup(_ context.Context, client keys.Identity) (gateway.Account, error) {
	who := g.client(client)
	var acc grant
	err := g.file.db.View(func(tx *bolt.Tx) (err error) {
		acc, err = account(tx, who)
		return err
	})
	if err != nil {
		return gateway.Account{}, failed("look up", err)
	}
	return gateway.Account{Key: acc.key, Seen: acc.seen}, nil
}

// account finds an account or fails with ErrUnknownClient.
func account(tx *bolt.Tx, who name) (grant, error) {
	b := tx.Bucket(accountsBucket).Get(who[:])
	if b == nil {
		return grant{}, gateway.ErrUnknownClient
	}
	return parseGrant(b)
}

// Seen implements [gateway.Accounts]. A time that is accepted is on disk before
// Seen returns (H22); one that is refused costs no write.
func (g *Gateway) Seen(ctx context.Context, client keys.Identity, at uint64) (later bool, err error) {
	if acc, err := g.Lookup(ctx, client); err != nil || at <= acc.Seen {
		return false, err
	}
	who := g.client(client)
	var unknown bool
	err = g.file.commits.do(func(tx *bolt.Tx) error {
		later = false
		acc, err := account(tx, who)
		unknown = err == gateway.ErrUnknownClient
		if unknown {
			return nil // forgotten meanwhile: no reason to undo the writes of others
		}
		if err != nil || at <= acc.seen {
			return err
		}
		later = true
		acc.seen = at
		return tx.Bucket(accountsBucket).Put(who[:], acc.append(nil))
	})
	switch {
	case err != nil:
		return false, failed("note an authentication", err)
	case unknown:
		return false, gateway.ErrUnknownClient
	}
	return later, nil
}

// Forget implements [gateway.Accounts].
func (g *Gateway) Forget(_ context.Context, client keys.Identity) error {
	who := g.client(client)
	err := g.file.commits.do(func(tx *bolt.Tx) error {
		return tx.Bucket(accountsBucket).Delete(who[:])
	})
	return failed("forget", err)
}

// failed says what was tried. The errors that callers ask for stay as they are.
func failed(what string, err error) error {
	switch err {
	case nil, gateway.ErrUnknownClient, gateway.ErrFull:
		return err
	}
	return fmt.Errorf("boltstore: %s: %w", what, explain(err))
}
