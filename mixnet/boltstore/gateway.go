package boltstore

import (
	"bytes"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// The buckets of a gateway's file.
var (
	accountsBucket = []byte("accounts") // name of the client: registration
	legacyBucket   = []byte("legacy")   // name of the client: registration, of a legacy key
	spentBucket    = []byte("spent")    // name of the client: a bucket, nonce: 1
	mailBucket     = []byte("mail")     // id (8): message
	indexBucket    = []byte("index")    // name of the client, id (8): entry
	sumsBucket     = []byte("sums")     // name of the client, or total and the like: a number (8)
)

var gatewaySchema = schema{
	program: "gateway",
	version: 3,
	buckets: []string{
		string(accountsBucket), string(legacyBucket), string(spentBucket),
		string(mailBucket), string(indexBucket), string(sumsBucket),
	},
	upgrades: []func(*bolt.Tx) error{
		func(tx *bolt.Tx) error { // version 1 had no legacy clients
			_, err := tx.CreateBucketIfNotExists(legacyBucket)
			_, err2 := tx.CreateBucketIfNotExists(spentBucket)
			return errors.Join(err, err2)
		},
		func(tx *bolt.Tx) error { return fromGrants(tx, time.Now()) },
	},
}

// fromGrants makes the accounts of version 2, which had no age, registrations of
// now. Clients that have logged in are taken to have proved themselves.
func fromGrants(tx *bolt.Tx, now time.Time) error {
	n := uint64(0)
	for _, bucket := range [][]byte{accountsBucket, legacyBucket} {
		b := tx.Bucket(bucket)
		var names [][]byte // a cursor does not like changes
		b.ForEach(func(k, _ []byte) error {
			names = append(names, bytes.Clone(k))
			return nil
		})
		for _, k := range names {
			g, err := parseGrant(b.Get(k))
			if err != nil {
				return err
			}
			if err := b.Put(k, registration{grant: g, used: now, proved: g.seen > 0}.append(nil)); err != nil {
				return err
			}
			n++
		}
	}
	return putSum(tx.Bucket(sumsBucket), clientsSum, n)
}

// A Gateway keeps a gateway's clients and their mail in one file. It implements
// [gateway.Accounts] and [gateway.Inbox]. Its calls take as long as the disk
// does, whatever their context says.
type Gateway struct {
	file    *file
	limits  gateway.Limits
	watches gateway.Watches
}

var (
	_ sessionserver.Accounts = (*Gateway)(nil)
	_ gateway.Inbox          = (*Gateway)(nil)
)

// OpenGateway opens a gateway's file, and makes it if there is none. Its
// directory must exist. Errors may wrap [ErrInUse], [ErrVersion] and
// [ErrDamaged].
func OpenGateway(path string, l gateway.Limits) (*Gateway, error) {
	f, err := open(path, gatewaySchema, openBolt)
	if err != nil {
		return nil, err
	}
	return newGateway(f, l), nil
}

func newGateway(f *file, l gateway.Limits) *Gateway {
	return &Gateway{file: f, limits: l.WithDefaults()}
}

// Close waits for calls under way and closes the file; later calls fail.
func (g *Gateway) Close() error { return g.file.close() }

func (g *Gateway) client(id keys.Identity) name { return g.file.name(id[:]) }
