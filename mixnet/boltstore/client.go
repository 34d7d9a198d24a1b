package boltstore

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
)

// The bucket of a client's file.
var registrationsBucket = []byte("registrations") // name of client and gateway: grant

var clientSchema = schema{
	program: "client",
	version: 1,
	buckets: []string{string(registrationsBucket)},
}

// A Client keeps the registrations of clients with gateways in one file. It
// implements [client.Store].
type Client struct{ file *file }

var _ client.Store = (*Client)(nil)

// OpenClient opens a client's file, and makes it if there is none. Its
// directory must exist. Errors may wrap [ErrInUse], [ErrVersion] and
// [ErrDamaged].
func OpenClient(path string) (*Client, error) {
	f, err := open(path, clientSchema, openBolt)
	if err != nil {
		return nil, err
	}
	return &Client{f}, nil
}

// Close waits for calls under way and closes the file; later calls fail.
func (c *Client) Close() error { return c.file.close() }

// Load implements [client.Store].
func (c *Client) Load(_ context.Context, id, gateway keys.Identity) (client.Registration, bool, error) {
	who := c.file.name(id[:], gateway[:])
	var g grant
	err := c.file.db.View(func(tx *bolt.Tx) (err error) {
		if b := tx.Bucket(registrationsBucket).Get(who[:]); b != nil {
			g, err = parseGrant(b)
		}
		return err
	})
	if err != nil || g.key == nil {
		return client.Registration{}, false, failed("load a registration", err)
	}
	r := client.Registration{Key: g.key}
	if g.seen > 0 {
		r.Last = time.Unix(int64(g.seen), 0)
	}
	return r, true, nil
}

// Save implements [client.Store].
func (c *Client) Save(_ context.Context, id, gateway keys.Identity, r client.Registration) error {
	who := c.file.name(id[:], gateway[:])
	g := grant{key: r.Key}
	if !r.Last.IsZero() {
		g.seen = uint64(r.Last.Unix())
	}
	err := c.file.commits.do(func(tx *bolt.Tx) error {
		return tx.Bucket(registrationsBucket).Put(who[:], g.append(nil))
	})
	return failed("save a registration", err)
}
