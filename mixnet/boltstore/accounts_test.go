package boltstore

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/sessionserver"
)

// A file of before there were legacy clients opens, with all that is in it.
func TestGatewayFileOfVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	before := schema{program: "gateway", version: 1, buckets: []string{"accounts", "mail", "index", "sums"}}
	f, err := open(path, before, openBolt)
	must(t, err)
	alice, bob := keys.NewIdentityKey().Public(), keys.NewIdentityKey().Public()
	key := keys.SessionFromBytes([32]byte{7})
	who := f.name(alice[:])
	box, name := someone(t, f)
	must(t, f.commits.do(func(tx *bolt.Tx) error {
		return errors.Join(
			tx.Bucket(accountsBucket).Put(who[:], grant{key: key, seen: 9}.append(nil)),
			tx.Bucket(mailBucket).SetSequence(7),
			tx.Bucket(mailBucket).Put(binary.BigEndian.AppendUint64(nil, 7), []byte("mail")),
			tx.Bucket(indexBucket).Put(entryKey(name, 7), entry{arrived: time.Now(), size: 4}.append(nil)),
			tx.Bucket(sumsBucket).Put(name[:], binary.BigEndian.AppendUint64(nil, 4+mailCost)),
			tx.Bucket(sumsBucket).Put(totalSum, binary.BigEndian.AppendUint64(nil, 4+mailCost)),
		)
	}))
	must(t, f.close())

	for range 2 { // it is brought up to date once
		g, err := OpenGateway(path, gateway.Limits{})
		must(t, err)
		acc, err := g.Lookup(t.Context(), alice)
		if err != nil || !acc.Key.Equal(key) || acc.Seen != 9 {
			t.Errorf("look up: seen %d, %v", acc.Seen, err)
		}
		if mail, err := g.Fetch(t.Context(), box, 0, 9); err != nil || len(mail) != 1 || string(mail[0].Message) != "mail" {
			t.Errorf("mail: %d messages, %v", len(mail), err)
		}
		legacy := keys.LegacySessionFromBytes([32]byte{8})
		if err := g.RegisterLegacy(t.Context(), alice, legacy); !errors.Is(err, sessionserver.ErrCurrentKey) {
			t.Errorf("a legacy key for who has a current one: %v", err)
		}
		must(t, g.RegisterLegacy(t.Context(), bob, legacy))
		must(t, g.Close())
	}
}

func someone(t *testing.T, f *file) (keys.Identity, name) {
	id := keys.NewIdentityKey().Public()
	return id, f.name(id[:])
}

// Accounts of before they had an age get one when the file is opened: clients
// that logged in have proved themselves, and none is old.
func TestGatewayFileOfVersion2(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	before := gatewaySchema
	before.version, before.upgrades = 2, nil
	f, err := open(path, before, openBolt)
	must(t, err)
	key := keys.SessionFromBytes([32]byte{7})
	used, who := someone(t, f)
	never, whoNever := someone(t, f)
	legacy, whoLegacy := someone(t, f)
	must(t, f.commits.do(func(tx *bolt.Tx) error {
		for i := range 1000 { // of whom nothing is asked
			n := f.name([]byte{byte(i), byte(i >> 8)})
			if err := tx.Bucket(accountsBucket).Put(n[:], grant{key: key, seen: 1}.append(nil)); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.Bucket(accountsBucket).Put(who[:], grant{key: key, seen: 9}.append(nil)),
			tx.Bucket(accountsBucket).Put(whoNever[:], grant{key: key}.append(nil)),
			tx.Bucket(legacyBucket).Put(whoLegacy[:], grant{key: key}.append(nil)),
		)
	}))
	must(t, f.close())
	for range 2 {
		g, err := OpenGateway(path, gateway.Limits{Clients: 1003})
		must(t, err)
		for id, proved := range map[keys.Identity]bool{used: true, never: false, legacy: false} {
			acc, err := g.Lookup(t.Context(), id)
			if err != nil || acc.Proved != proved || (acc.Key == nil) != (id == legacy) {
				t.Errorf("look up: proved %v, %v", acc.Proved, err)
			}
		}
		hour := time.Now().Add(-time.Hour)
		if n, err := g.ExpireAccounts(t.Context(), hour, hour); n != 0 || err != nil {
			t.Errorf("%d expired, %v", n, err)
		}
		if err := g.Register(t.Context(), keys.NewIdentityKey().Public(), key); !errors.Is(err, sessionserver.ErrTooManyClients) {
			t.Errorf("one more than there may be: %v", err)
		}
		must(t, g.Close())
	}
}

// A damaged account is not taken for none: a legacy opening would then put
// another in its place.
func TestDamagedAccountIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	g, err := OpenGateway(path, gateway.Limits{})
	must(t, err)
	alice := keys.NewIdentityKey().Public()
	who := g.client(alice)
	must(t, g.file.commits.do(func(tx *bolt.Tx) error { return tx.Bucket(accountsBucket).Put(who[:], []byte("short")) }))
	for what, err := range map[string]error{
		"register":        g.Register(t.Context(), alice, keys.SessionFromBytes([32]byte{1})),
		"register legacy": g.RegisterLegacy(t.Context(), alice, keys.LegacySessionFromBytes([32]byte{1})),
		"look up":         second(g.Lookup(t.Context(), alice)),
		"seen":            second(g.Seen(t.Context(), alice, 5)),
		"spend":           second(g.Spend(t.Context(), alice, []byte("n"))),
	} {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", what, err)
		}
	}
	must(t, g.Forget(t.Context(), alice)) // the way out
	must(t, g.Close())
}
