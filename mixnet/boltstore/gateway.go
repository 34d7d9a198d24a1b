package boltstore

import (
	"errors"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// The buckets of a gateway's file.
var (
	accountsBucket = []byte("accounts") // name of the client: grant
	legacyBucket   = []byte("legacy")   // name of the client: grant, of a legacy key
	spentBucket    = []byte("spent")    // name of the client: a bucket, nonce: 1
	mailBucket     = []byte("mail")     // id (8): message
	indexBucket    = []byte("index")    // name of the client, id (8): entry
	sumsBucket     = []byte("sums")     // name of the client, or total: bytes (8)
)

var gatewaySchema = schema{
	program: "gateway",
	version: 2,
	buckets: []string{
		string(accountsBucket), string(legacyBucket), string(spentBucket),
		string(mailBucket), string(indexBucket), string(sumsBucket),
	},
	upgrade: func(tx *bolt.Tx) error { // version 1 had no legacy clients
		_, err := tx.CreateBucketIfNotExists(legacyBucket)
		_, err2 := tx.CreateBucketIfNotExists(spentBucket)
		return errors.Join(err, err2)
	},
}

// A Gateway keeps a gateway's clients and their mail in one file. It implements
// [gateway.Accounts] and [gateway.Inbox]. Its calls take as long as the disk
// does, whatever their context says.
type Gateway struct {
	file   *file
	limits gateway.Limits
}

var (
	_ sessionserver.Accounts = (*Gateway)(nil)
	_ gateway.Inbox          = (*Gateway)(nil)
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
