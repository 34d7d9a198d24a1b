package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const threeHosts = `network = "testnet"

[[host]]
name = "a"
address = "10.99.0.1"
directory = true
mixnodes = 1

[[host]]
name = "b"
address = "10.99.0.2"
mixnodes = 2
gateways = 1

[[host]]
name = "c"
address = "2001:db8::3"
gateways = 1
requesters = 1
socks = true
socks_port = 1081
`

func TestHosts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts.toml")
	if err := os.WriteFile(file, []byte(threeHosts), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := LoadHosts(file)
	if err != nil {
		t.Fatal(err)
	}
	if h.Network != "testnet" || len(h.Hosts) != 3 {
		t.Fatalf("got %+v", h)
	}
	if a := h.Hosts[0]; !a.Directory || a.Mixnodes != 1 || a.DirectoryPort != 8080 || a.MixPort != 1789 {
		t.Errorf("host a is %+v", a)
	}
	if c := h.Hosts[2]; !c.SOCKS || c.Requesters != 1 || c.SOCKSPort != 1081 || c.ClientsPort != 9000 || c.Address.String() != "2001:db8::3" {
		t.Errorf("host c is %+v", c)
	}
	if _, err := LoadHosts(file + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(file, []byte("network = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadHosts(file); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), file) {
		t.Errorf("a wrong file: %v", err)
	}
}

func TestWrongHosts(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"no network", `network = "testnet"`, "", "there is no network"},
		{"unknown key", "gateways = 1", "gateway = 1", "unknown key: host.gateway (did you mean host.gateways?)"},
		{"unknown key at the top", `network = "testnet"`, `netwrok = "testnet"`, "did you mean network?"},
		{"unknown section", "[[host]]\nname = \"a\"", "[[machine]]\n[[host]]\nname = \"a\"", "unknown key: machine"},
		{"wrong kind", "mixnodes = 2", `mixnodes = "two"`, "mixnodes"},
		{"no name", `name = "b"`, "", `host.name is ""`},
		{"bad name", `name = "b"`, `name = "../b"`, `host.name is "../b"`},
		{"twice", `name = "b"`, `name = "a"`, `there are two hosts "a"`},
		{"no address", `address = "10.99.0.2"`, "", "host b: address is not set"},
		{"a name as address", `"10.99.0.2"`, `"b.example.org"`, "b.example.org"},
		{"unspecified", `"10.99.0.2"`, `"0.0.0.0"`, "host b: address is 0.0.0.0:1: nobody can connect there"},
		{"mapped", `"10.99.0.2"`, `"::ffff:10.99.0.2"`, "write it as 10.99.0.2"},
		{"negative", "mixnodes = 1", "mixnodes = -1", "host a: mixnodes is -1; it can be 0 to 100"},
		{"too many", "mixnodes = 2", "mixnodes = 101", "host b: mixnodes is 101"},
		{"port too high", "socks_port = 1081", "socks_port = 65536", "host c: socks_port is 65536"},
		{"ports too high", "mixnodes = 2", "mixnodes = 2\nmix_port = 65534", "host b: mix_port is 65534; it can be 1 to 65533"},
		{"ports collide", "socks_port = 1081", "socks_port = 1789", "host c: socks needs port 1789, which mix of host c has"},
		{"addresses collide", `"10.99.0.2"`, `"10.99.0.1"`, "host b: mix needs port 1789, which mix of host a has"},
		{"an idle host", "mixnodes = 2\ngateways = 1", "", "nothing runs on host b"},
		{"no directory", "directory = true", "directory = false", "0 hosts have directory = true"},
		{"too few mixes", "mixnodes = 2", "mixnodes = 1", "there are 2 mixnodes on all hosts together"},
		{"no gateways", "gateways = 1", "", "no host has a gateway"},
		{"no requester", "requesters = 1", "", "none with a requester"},
		{"a name and no certificate", "mixnodes = 2", "mixnodes = 2\nhostname = \"gw.example.org\"", "host b has a hostname"},
		{"a certificate for nobody", "mixnodes = 2\ngateways = 1", "mixnodes = 2\nacme = true\nhostname = \"gw.example.org\"", "no gateway that needs one"},
		{"a certificate without a name", "mixnodes = 2", "mixnodes = 2\nacme = true", `host b: hostname is ""`},
		{"half a certificate", "mixnodes = 2", "mixnodes = 2\nhostname = \"gw.example.org\"\ntls_key = \"k\"", "needs both"},
		{"two certificates", "mixnodes = 2", "mixnodes = 2\nhostname = \"gw.example.org\"\nacme = true\ntls_key = \"k\"", "one or the other"},
		{"ACME for several", "mixnodes = 2\ngateways = 1", "mixnodes = 2\ngateways = 2\nhostname = \"gw.example.org\"\nacme = true", "say gateways = 1"},
		{"TLS collides", "mixnodes = 2", "mixnodes = 2\nhostname = \"gw.example.org\"\nacme = true\nclients_tls_port = 9000", "which clients of host b has"},
		{"no TOML", "[[host]]", "[host", "expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.ReplaceAll(threeHosts, c.old, c.new)
			if text == threeHosts {
				t.Fatalf("%q is not in the file", c.old)
			}
			_, err := ParseHosts([]byte(text))
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want one with %q", err, c.want)
			}
		})
	}
}

// What is accepted stays the same when it is checked again.
func FuzzParseHosts(f *testing.F) {
	f.Add([]byte(threeHosts))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHosts(b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		again := Hosts{h.Network, append([]Host(nil), h.Hosts...)}
		for i := range again.Hosts {
			again.Hosts[i].defaults()
		}
		if err := again.check(); err != nil || !reflect.DeepEqual(again, *h) {
			t.Fatalf("%+v: %v", h, err)
		}
	})
}
