package config

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const joinKey = "4mjQ5aJu378cEu6TksRG3uXAiKFiwGjYQtWAjfVjDAJW"

func testJoin() Join {
	return Join{Network: "riga.example", Directories: []string{"https://directory.example.org/api/", "http://[2001:db8::1]:8080/a,b%20c"}, Key: joinKey}
}

// A link and a file say the same, and a link needs no quotes in a shell.
func TestJoinLinkAndFile(t *testing.T) {
	j := testJoin()
	b, err := j.File()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseJoin(string(b)); err != nil || !reflect.DeepEqual(got, j) {
		t.Errorf("from the file: %+v, %v\n%s", got, err, b)
	}
	j.Role, j.Invite = "gateway", "abcdefgh"
	link := j.Link()
	if strings.ContainsAny(link, " \t\"'`$&|;<>()*?#!~{}\\") {
		t.Errorf("a shell would read more into %s", link)
	}
	if got, err := ParseJoin(" " + link + ",colour=blue\n"); err != nil || !reflect.DeepEqual(got, j) {
		t.Errorf("from %s: %+v, %v", link, got, err)
	}
	if b, err := j.File(); err != nil || strings.Contains(string(b), "abcdefgh") {
		t.Errorf("%v; the file is for everybody, and has a secret in it:\n%s", err, b)
	}
}

func TestJoinIsRefused(t *testing.T) {
	link := testJoin().Link()
	for text, want := range map[string]string{
		"":                                     "names no network",
		"riga.example":                         "neither a link to join by",
		"nym-socks5:":                          "names no network",
		"nym-socks5:riga":                      "no key",
		"nym-socks5:riga,key=" + joinKey:       "names no directory",
		link + ",directory=ftp://example.org/": "is no address of a directory",
		link + ",key=" + joinKey:               "says key twice",
		link + ",requester=nobody":             "a requester that cannot be",
		link + ",role=gateway":                 "only half of an invitation",
		link + ",invite=hush-hush":             "only half of an invitation",
		link + ",directory=%zz":                "damaged at \"directory\"",
		link + strings.Repeat(",directory=http://a/", 16): "at most 16",
		link + strings.Repeat(" ", MaxJoin):               "at most 16384 bytes",
	} {
		_, err := ParseJoin(text)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q in it", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hush-hush") {
			t.Errorf("a secret is repeated: %v", err)
		}
	}
}

// What a program joins by goes into its settings; an invitation only into those of
// the program that it is for.
func TestJoinApply(t *testing.T) {
	users := testJoin()
	gateways := users
	gateways.Role, gateways.Invite = "gateway", "secret"
	for _, c := range []Config{NewSOCKS(), NewNymClient(), NewRequester(), NewMixnode(), NewGateway()} {
		Common(c).Network.Topology = "/old/topology.json"
		if err := errors.Join(users.Apply(c), c.Check()); err != nil {
			t.Errorf("%T: %v", c, err)
		}
		if n := Common(c).Network; n.Topology != "" || n.Name != users.Network || n.Key != users.Key || !reflect.DeepEqual(n.Directories, users.Directories) {
			t.Errorf("%T joins %+v", c, n)
		}
		err := gateways.Apply(c)
		if _, is := c.(*Gateway); is != (err == nil) {
			t.Errorf("%T: by an invitation of a gateway: %v", c, err)
		}
	}
	g := NewGateway()
	if err := gateways.Apply(g); err != nil || !g.Registration.Register || g.Registration.Invite != "secret" {
		t.Errorf("%v: %+v", err, g.Registration)
	}
	if err := users.Apply(NewDirectory()); err == nil || CanJoin(NewDirectory()) || !CanJoin(NewSOCKS()) {
		t.Errorf("a directory joins: %v", err)
	}
}

// A node that is told its address announces that, unless its settings say another.
func TestReachedAt(t *testing.T) {
	ip := netip.MustParseAddr("203.0.113.7")
	m := NewMixnode()
	if !ReachedAt(m, ip) || m.Mix.Announce != netip.MustParseAddrPort("203.0.113.7:1789") || m.Missing() == nil {
		t.Errorf("announces %v", m.Mix.Announce) // the network is still missing
	}
	if ReachedAt(m, netip.MustParseAddr("203.0.113.8")) || m.Mix.Announce.Addr() != ip {
		t.Errorf("announces %v instead of what the settings say", m.Mix.Announce)
	}
	if ReachedAt(NewSOCKS(), ip) {
		t.Error("a client announces an address")
	}
}

func FuzzParseJoin(f *testing.F) {
	j := testJoin()
	f.Add(j.Link())
	if b, err := j.File(); err == nil {
		f.Add(string(b))
	}
	j.Role, j.Invite = "mixnode", "abc"
	f.Add(j.Link())
	f.Fuzz(func(t *testing.T, text string) {
		j, err := ParseJoin(text)
		if err != nil {
			return
		}
		again, err := ParseJoin(j.Link())
		if err != nil && len(j.Link()) <= MaxJoin || err == nil && !reflect.DeepEqual(again, j) {
			t.Fatalf("%q: %+v, then %+v (%v)", text, j, again, err)
		}
	})
}
