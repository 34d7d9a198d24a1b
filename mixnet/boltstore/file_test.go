package boltstore

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
)

var testSchema = schema{program: "test", version: 2, buckets: []string{"rows"}}

// wantError checks an error's kind and text.
func wantError(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) {
		t.Errorf("got error %v, want %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// H36: "files are written whole or not at all". Nothing is left beside them,
// and others cannot read them.
func TestH36FileAppearsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.db")
	g, err := OpenGateway(path, gateway.Limits{})
	must(t, err)
	must(t, g.Close())
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 || entries[0].Name() != "gateway.db" {
		t.Errorf("in the directory: %v", entries)
	}
	info, err := os.Stat(path)
	must(t, err)
	if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != 0o600 {
		t.Errorf("mode %04o, want 0600", got)
	}
	err = appear(filepath.Join(dir, "half"), func(tmp string) error {
		must(t, os.WriteFile(tmp, []byte("half"), 0o600))
		return errors.New("power cut")
	})
	wantError(t, err, nil, "power cut")
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("half a file stayed: %v", entries)
	}
	// Whoever is second takes the file that is there.
	err = appear(path, func(tmp string) error { return os.WriteFile(tmp, []byte("second"), 0o600) })
	must(t, err)
	g, err = OpenGateway(path, gateway.Limits{})
	must(t, err)
	must(t, g.Close())
}

// H36: "Key files readable by others are refused".
func TestH36ReadableFileIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // files there have no such modes
	}
	path := filepath.Join(t.TempDir(), "client.db")
	c, err := OpenClient(path)
	must(t, err)
	must(t, c.Close())
	must(t, os.Chmod(path, 0o640))
	_, err = OpenClient(path)
	wantError(t, err, nil, path, "0640", "want 0600")
}

// H38: "zero hits in … store files of nodes", raw, hex, base58 and base64.
func TestH38FilesNameNobody(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	id, gw := keys.NewIdentityKey().Public(), keys.NewIdentityKey().Public()
	g, err := OpenGateway(filepath.Join(dir, "gateway"), gateway.Limits{})
	must(t, err)
	canary := []byte("the message itself is there")
	must(t, g.Register(ctx, id, keys.SessionFromBytes([32]byte{1})))
	must(t, g.Put(ctx, []gateway.Mail{{Client: id, Message: canary, Arrived: time.Unix(1, 0)}})[0])
	must(t, g.Close())
	c, err := OpenClient(filepath.Join(dir, "client"))
	must(t, err)
	must(t, c.Save(ctx, id, gw, client.Registration{Key: keys.SessionFromBytes([32]byte{1})}))
	must(t, c.Close())
	for _, name := range []string{"gateway", "client"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		if name == "gateway" && !bytes.Contains(b, canary) {
			t.Error("the search finds nothing at all")
		}
		for _, who := range []keys.Identity{id, gw} {
			for form, text := range map[string][]byte{
				"raw": who[:], "hex": []byte(hex.EncodeToString(who[:])),
				"base58": []byte(base58.Encode(who[:])), "base64": []byte(base64.StdEncoding.EncodeToString(who[:])),
			} {
				if bytes.Contains(b, text) {
					t.Errorf("the %s's file has an identity, %s", name, form)
				}
			}
		}
	}
}

// A second program is told at once that the file is in use.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	g, err := OpenGateway(path, gateway.Limits{})
	must(t, err)
	for range 3 {
		_, err = OpenGateway(path, gateway.Limits{})
		wantError(t, err, ErrInUse, path, "in use by another process")
	}
	must(t, g.Close())
	g, err = OpenGateway(path, gateway.Limits{})
	must(t, err)
	must(t, g.Close())
}

// edit changes a file behind the store's back.
func edit(t *testing.T, path string, change func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(change))
	must(t, db.Close())
}

func setMeta(t *testing.T, path string, key, value []byte) {
	t.Helper()
	edit(t, path, func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Put(key, value) })
}

// One function reads the version before.
func TestVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	reopen := func(s schema) error {
		t.Helper()
		f, err := open(path, s, openBolt)
		if err != nil {
			return err
		}
		return f.close()
	}
	old := schema{program: "test", version: 1, buckets: []string{"old rows"}}
	must(t, reopen(old))
	edit(t, path, func(tx *bolt.Tx) error { return tx.Bucket([]byte("old rows")).Put([]byte("k"), []byte("v")) })

	wantError(t, reopen(testSchema), ErrVersion, "version: 1", "none before 2")
	upgrading := testSchema
	upgrading.upgrades = []func(*bolt.Tx) error{func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("rows"))
		if err != nil {
			return err
		}
		if err := b.Put([]byte("k"), tx.Bucket([]byte("old rows")).Get([]byte("k"))); err != nil {
			return err
		}
		return tx.DeleteBucket([]byte("old rows"))
	}}
	failing := testSchema
	failing.upgrades = []func(*bolt.Tx) error{func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket([]byte("old rows")); err != nil {
			return err
		}
		return errors.New("power cut")
	}}
	wantError(t, reopen(failing), nil, "upgrade from version 1", "power cut")
	must(t, reopen(upgrading)) // the failed one changed nothing
	must(t, reopen(upgrading)) // and it is done once
	must(t, reopen(testSchema))
	edit(t, path, func(tx *bolt.Tx) error {
		if got := tx.Bucket([]byte("rows")).Get([]byte("k")); string(got) != "v" {
			t.Errorf("after the upgrade: %q", got)
		}
		return nil
	})
	wantError(t, reopen(old), ErrVersion, "version: 2", "up to 1", "newer program")
	next := upgrading
	next.version = 4
	wantError(t, reopen(next), ErrVersion, "none before 3")
}

func TestWrongFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	fresh := func(name string) string {
		f, err := open(at(name), testSchema, openBolt)
		must(t, err)
		must(t, f.close())
		return at(name)
	}
	for _, tc := range []struct {
		name string
		make func() string
		kind error
		says string
	}{
		{"no directory", func() string { return at("none/x.db") }, fs.ErrNotExist, "none/x.db"},
		{"a directory", func() string { return dir }, nil, ""},
		{"text", func() string {
			must(t, os.WriteFile(at("text"), bytes.Repeat([]byte("not a store\n"), 10000), 0o600))
			return at("text")
		}, ErrDamaged, "damaged"},
		{"a few bytes", func() string {
			must(t, os.WriteFile(at("few"), []byte("few"), 0o600))
			return at("few")
		}, nil, ""},
		{"cut off", func() string {
			p := fresh("cut")
			edit(t, p, func(tx *bolt.Tx) error {
				return tx.Bucket([]byte("rows")).Put([]byte("k"), make([]byte, 1<<20))
			})
			must(t, os.Truncate(p, 1<<19))
			return p
		}, ErrDamaged, "damaged"},
		{"somebody else's bbolt", func() string {
			edit(t, at("else"), func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
			return at("else")
		}, ErrDamaged, "says nothing"},
		{"another program's", func() string {
			p := fresh("program")
			setMeta(t, p, metaOwner, []byte("gateway"))
			return p
		}, nil, `program "gateway", want "test"`},
		{"short version", func() string {
			p := fresh("version")
			setMeta(t, p, metaFormat, []byte{2})
			return p
		}, ErrDamaged, "version of 1 bytes"},
		{"short name key", func() string {
			p := fresh("names")
			setMeta(t, p, metaNames, []byte{2})
			return p
		}, ErrDamaged, "name key"},
		{"bucket missing", func() string {
			p := fresh("bucket")
			edit(t, p, func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("rows")) })
			return p
		}, ErrDamaged, `"rows"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := tc.make()
			f, err := open(path, testSchema, openBolt)
			if err == nil {
				f.close()
			}
			wantError(t, err, tc.kind, tc.says)
		})
	}
}

// Every page of a file in turn is overwritten: opening and reading it gives an
// error or the truth, but never ends the process.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "good")
	ctx := t.Context()
	g, err := OpenGateway(path, gateway.Limits{})
	must(t, err)
	id := keys.NewIdentityKey().Public()
	must(t, g.Register(ctx, id, keys.SessionFromBytes([32]byte{1})))
	var mail []gateway.Mail
	for i := range 100 {
		mail = append(mail, gateway.Mail{Client: id, Message: bytes.Repeat([]byte{byte(i)}, 100), Arrived: time.Unix(int64(i), 0)})
	}
	for _, err := range g.Put(ctx, mail) {
		must(t, err)
	}
	must(t, g.Close())
	good, err := os.ReadFile(path)
	must(t, err)
	const page = 4096
	refused := 0
	for at := 0; at+page <= len(good); at += page {
		if bytes.Count(good[at:at+page], []byte{0}) == page {
			continue
		}
		bad := bytes.Clone(good)
		copy(bad[at:at+page], bytes.Repeat([]byte{0xa5}, page))
		p := filepath.Join(dir, "bad")
		must(t, os.WriteFile(p, bad, 0o600))
		g, err := OpenGateway(p, gateway.Limits{})
		if err != nil {
			refused++
			continue
		}
		must(t, g.Close())
	}
	if refused == 0 {
		t.Error("no damage was ever noticed")
	}
}

// A file that cannot be written any more: what was there is still read, what is
// new is refused in words, and afterwards the file is as it was.
func TestReadOnlyFile(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "gateway.db")
	id, other := keys.NewIdentityKey().Public(), keys.NewIdentityKey().Public()
	g, err := OpenGateway(path, gateway.Limits{})
	must(t, err)
	must(t, g.Register(ctx, id, keys.SessionFromBytes([32]byte{1})))
	must(t, g.Put(ctx, []gateway.Mail{{Client: id, Message: []byte("old"), Arrived: time.Unix(1, 0)}})[0])
	must(t, g.Close())

	f, err := open(path, gatewaySchema, func(path string, o *bolt.Options) (*bolt.DB, error) {
		o.OpenFile = func(name string, _ int, perm os.FileMode) (*os.File, error) {
			return os.OpenFile(name, os.O_RDONLY, perm)
		}
		return openBolt(path, o)
	})
	must(t, err)
	g = newGateway(f, gateway.Limits{})
	for range 3 {
		wantError(t, g.Register(ctx, other, keys.SessionFromBytes([32]byte{2})), nil, "register", "cannot be written")
		wantError(t, g.Put(ctx, []gateway.Mail{{Client: id, Message: []byte("new")}})[0], nil, "store mail", "cannot be written")
		wantError(t, g.Delete(ctx, id, 99), nil, "delete mail", "cannot be written")
		if ok, err := g.Seen(ctx, id, 5); ok || err == nil {
			t.Errorf("an authentication was accepted that is not on disk: %v", err)
		}
		if _, err := g.Expire(ctx, time.Unix(2, 0)); err == nil {
			t.Error("mail expired from a file that cannot be written")
		}
		if mail, err := g.Fetch(ctx, id, 0, 9); err != nil || len(mail) != 1 || string(mail[0].Message) != "old" {
			t.Errorf("fetched %d: %v", len(mail), err)
		}
	}
	must(t, g.Close())

	g, err = OpenGateway(path, gateway.Limits{})
	must(t, err)
	if mail, err := g.Fetch(ctx, id, 0, 9); err != nil || len(mail) != 1 {
		t.Errorf("afterwards %d messages: %v", len(mail), err)
	}
	if ok, err := g.Seen(ctx, id, 5); !ok || err != nil {
		t.Errorf("seen afterwards: %v, %v", ok, err)
	}
	must(t, g.Close())
}

// A file that may not grow any more refuses mail; room that is made is used
// again, and all that was stored is there.
func TestFullFile(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "gateway.db")
	f, err := open(path, gatewaySchema, func(path string, o *bolt.Options) (*bolt.DB, error) {
		o.MaxSize = 1 << 20
		return openBolt(path, o)
	})
	must(t, err)
	g := newGateway(f, gateway.Limits{})
	id := keys.NewIdentityKey().Public()
	put := func(i int) error {
		m := binary.BigEndian.AppendUint32(make([]byte, 2000), uint32(i))
		return g.Put(ctx, []gateway.Mail{{Client: id, Message: m, Arrived: time.Unix(1, 0)}})[0]
	}
	stored := 0
	for ; stored < 1000; stored++ {
		if err = put(stored); err != nil {
			break
		}
	}
	wantError(t, err, nil, "store mail", "may not grow")
	wantError(t, put(0), nil, "store mail", "may not grow")
	check := func(first, n int) {
		t.Helper()
		mail, err := g.Fetch(ctx, id, 0, 1000)
		must(t, err)
		if len(mail) != n {
			t.Fatalf("%d messages, want %d", len(mail), n)
		}
		for i, m := range mail {
			if got := int(binary.BigEndian.Uint32(m.Message[2000:])); got != first+i {
				t.Fatalf("message %d in place of %d", got, first+i)
			}
		}
	}
	check(0, stored)
	mail, err := g.Fetch(ctx, id, 0, stored/2)
	must(t, err)
	// A full file may refuse a deletion too, which needs a page for a moment: it
	// was made by writing until nothing fits. Less at a time does.
	must(t, g.Delete(ctx, id, mail[len(mail)-1].ID))
	check(stored/2, stored-stored/2)
	for i := range 10 {
		must(t, put(stored+i))
	}
	check(stored/2, stored-stored/2+10)
	must(t, g.Close())
	must(t, sound(path))
}

// sound checks the structure of a file.
func sound(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	})
}

func TestExplain(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, "the disk is full"},
		{&fs.PathError{Op: "truncate", Path: "x", Err: syscall.EROFS}, "the file cannot be written"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "the program may not use it"},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.EFBIG}, "the file may not grow any more"},
	} {
		got := explain(tc.err)
		wantError(t, got, tc.err, tc.want)
	}
	if err := errors.New("other"); explain(err) != err {
		t.Error("an error that needs no words was changed")
	}
}

// After Close calls fail, and say why.
func TestClosed(t *testing.T) {
	ctx := t.Context()
	g, err := OpenGateway(filepath.Join(t.TempDir(), "x"), gateway.Limits{})
	must(t, err)
	id := keys.NewIdentityKey().Public()
	must(t, g.Close())
	_, err = g.Lookup(ctx, id)
	wantError(t, err, nil, "look up", "closed")
	wantError(t, g.Put(ctx, []gateway.Mail{{Client: id}})[0], nil, "store mail", "closed")
	must(t, g.Close())
}
