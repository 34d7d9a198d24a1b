package boltstore

import (
	"errors"
	"path/filepath"
	"testing"

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
	must(t, f.commits.do(func(tx *bolt.Tx) error {
		return tx.Bucket(accountsBucket).Put(who[:], grant{key: key, seen: 9}.append(nil))
	}))
	must(t, f.close())

	for range 2 { // it is brought up to date once
		g, err := OpenGateway(path, gateway.Limits{})
		must(t, err)
		acc, err := g.Lookup(t.Context(), alice)
		if err != nil || !acc.Key.Equal(key) || acc.Seen != 9 {
			t.Errorf("look up: seen %d, %v", acc.Seen, err)
		}
		legacy := keys.LegacySessionFromBytes([32]byte{8})
		if err := g.RegisterLegacy(t.Context(), alice, legacy); !errors.Is(err, sessionserver.ErrCurrentKey) {
			t.Errorf("a legacy key for who has a current one: %v", err)
		}
		must(t, g.RegisterLegacy(t.Context(), bob, legacy))
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
