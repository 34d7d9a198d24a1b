package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"

	"github.com/BurntSushi/toml"
)

// Hosts says what a network of several machines is made of, and what runs
// where. It is the one file here that is not the settings of a program: those
// are made of it.
type Hosts struct {
	Network string `toml:"network"` // name of the network
	Hosts   []Host `toml:"host"`
}

// A Host is one machine of a network, and what runs there.
type Host struct {
	Name    string     `toml:"name"`    // letters a-z, digits and hyphens
	Address netip.Addr `toml:"address"` // under which the other machines reach it

	Directory  bool `toml:"directory"` // on one host of the network
	Mixnodes   int  `toml:"mixnodes"`
	Gateways   int  `toml:"gateways"`
	Requesters int  `toml:"requesters"`
	SOCKS      bool `toml:"socks"`

	// How clients reach the gateways over TLS: by what name, and with which
	// certificate: one by ACME, or the files of one, where they are on the host.
	Hostname    string `toml:"hostname"`
	ACME        bool   `toml:"acme"`
	ACMEEmail   string `toml:"acme_email"`
	Certificate string `toml:"tls_certificate"`
	Key         string `toml:"tls_key"`

	// Ports. Where there are several of a kind, they follow each other: the mix
	// nodes of a host begin at MixPort, and its gateways come right after them.
	DirectoryPort int `toml:"directory_port"`   // if zero, it is 8080
	MixPort       int `toml:"mix_port"`         // if zero, it is 1789
	ClientsPort   int `toml:"clients_port"`     // if zero, it is 9000
	TLSPort       int `toml:"clients_tls_port"` // if zero, and there is TLS, it is 443
	SOCKSPort     int `toml:"socks_port"`       // on loopback; if zero, it is 1080
}

var hostForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// LoadHosts reads a file. Errors of its content wrap [ErrInvalid] and name the
// file; those of reading it are of package os.
func LoadHosts(file string) (*Hosts, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, invalid("%s: it has %d bytes, which is more than any network needs", file, info.Size())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	h, err := ParseHosts(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return h, nil
}

// ParseHosts reads the text of a file, fills in what has defaults, and checks
// that it makes a network. Its errors wrap [ErrInvalid].
func ParseHosts(b []byte) (*Hosts, error) {
	h := new(Hosts)
	meta, err := toml.Decode(string(b), h)
	if err != nil {
		return nil, syntax(err)
	}
	if err := unknown(meta.Undecoded(), hostKeys()); err != nil {
		return nil, err
	}
	for i := range h.Hosts {
		h.Hosts[i].defaults()
	}
	return h, h.check()
}

// hostKeys lists all keys of such a file.
func hostKeys() []string {
	all := []string{"network", "host"}
	for t := reflect.TypeFor[Host](); len(all) < t.NumField()+2; {
		all = append(all, "host."+t.Field(len(all)-2).Tag.Get("toml"))
	}
	return all
}

// TLS reports whether clients reach the gateways of the host over TLS too.
func (h *Host) TLS() bool { return h.ACME || h.Certificate != "" || h.Key != "" }

func (h *Host) defaults() {
	if h.TLS() && h.TLSPort == 0 {
		h.TLSPort = ACMETLSPort
	}
	for _, p := range []struct {
		port *int
		def  int
	}{{&h.DirectoryPort, 8080}, {&h.MixPort, 1789}, {&h.ClientsPort, 9000}, {&h.SOCKSPort, 1080}} {
		if *p.port == 0 {
			*p.port = p.def
		}
	}
}

// check reports what keeps the hosts from being a network.
func (h *Hosts) check() error {
	if h.Network == "" {
		return invalid("there is no network; the first line must be like: network = \"testnet\"")
	}
	var directories, mixes, gateways, requesters, proxies int
	names, ports := make(map[string]bool), make(map[netip.AddrPort]string)
	for _, host := range h.Hosts {
		if err := host.check(); err != nil {
			return err
		}
		if names[host.Name] {
			return invalid("there are two hosts %q", host.Name)
		}
		names[host.Name] = true
		if err := host.claim(ports); err != nil {
			return err
		}
		if host.Directory {
			directories++
		}
		if host.SOCKS {
			proxies++
		}
		mixes, gateways, requesters = mixes+host.Mixnodes, gateways+host.Gateways, requesters+host.Requesters
	}
	switch {
	case directories != 1:
		return invalid("%d hosts have directory = true, and it must be one", directories)
	case mixes < 3:
		return invalid("there are %d mixnodes on all hosts together; three layers need at least three", mixes)
	case gateways < 1:
		return invalid("no host has a gateway: say gateways = 1")
	case proxies > 0 && requesters < 1:
		return invalid("there is a host with socks = true, and none with a requester: say requesters = 1")
	}
	return nil
}

func (h *Host) check() error {
	if !hostForm.MatchString(h.Name) {
		return invalid("host.name is %q; it has letters a-z, digits and hyphens, and each host needs one", h.Name)
	}
	key := func(name string) string { return fmt.Sprintf("host %s: %s", h.Name, name) }
	if !h.Address.IsValid() {
		return invalid("%s is not set: say under which IP address the others reach it", key("address"))
	}
	if h.Address.Is4In6() {
		return invalid("%s is %v: write it as %v", key("address"), h.Address, h.Address.Unmap())
	}
	if !h.Directory && !h.SOCKS && h.Mixnodes+h.Gateways+h.Requesters == 0 {
		return invalid("nothing runs on host %s", h.Name)
	}
	var errs []error
	for _, n := range []struct {
		name  string
		value int
	}{{"mixnodes", h.Mixnodes}, {"gateways", h.Gateways}, {"requesters", h.Requesters}} {
		errs = append(errs, between(key(n.name), n.value, 0, maxPerHost))
	}
	for _, p := range []struct {
		name       string
		value, run int
	}{
		{"directory_port", h.DirectoryPort, 1}, {"mix_port", h.MixPort, h.Mixnodes + h.Gateways},
		{"clients_port", h.ClientsPort, h.Gateways}, {"socks_port", h.SOCKSPort, 1},
	} {
		errs = append(errs, between(key(p.name), p.value, 1, 1<<16-max(1, p.run)))
	}
	errs = append(errs, announced(key("address"), netip.AddrPortFrom(h.Address, 1)), h.checkTLS(key))
	return errors.Join(errs...)
}

// checkTLS checks how clients reach the gateways over TLS.
func (h *Host) checkTLS(key func(string) string) error {
	switch {
	case !h.TLS():
		if h.Hostname != "" || h.TLSPort != 0 || h.ACMEEmail != "" {
			return invalid("host %s has a hostname, a TLS port or an email address, and no certificate: say acme = true, or tls_certificate and tls_key", h.Name)
		}
		return nil
	case h.Gateways == 0:
		return invalid("host %s has a certificate, and no gateway that needs one", h.Name)
	case !isName(h.Hostname):
		return invalid("%s is %q: a certificate is for a name, such as gateway.example.org", key("hostname"), h.Hostname)
	case h.ACME && (h.Certificate != "" || h.Key != ""):
		return invalid("host %s has acme = true and files of a certificate; it can be one or the other", h.Name)
	case !h.ACME && (h.Certificate == "" || h.Key == ""):
		return invalid("host %s has one of tls_certificate and tls_key, and needs both", h.Name)
	case h.ACME && h.Gateways > 1:
		return invalid("host %s has %d gateways and acme = true: the authority asks at one port, which one of them can have; say gateways = 1, or give files of a certificate", h.Name, h.Gateways)
	}
	return between(key("clients_tls_port"), h.TLSPort, 1, 1<<16-h.Gateways)
}

// claim takes the host's ports, which nobody else may have.
func (h *Host) claim(taken map[netip.AddrPort]string) error {
	claim := func(name string, first, n int) error {
		for port := first; port < first+n; port++ {
			at := netip.AddrPortFrom(h.Address, uint16(port))
			if other, ok := taken[at]; ok {
				return invalid("host %s: %s needs port %d, which %s has", h.Name, name, port, other)
			}
			taken[at] = name + " of host " + h.Name
		}
		return nil
	}
	count := map[bool]int{true: 1}
	return errors.Join(
		claim("directory", h.DirectoryPort, count[h.Directory]),
		claim("mix", h.MixPort, h.Mixnodes+h.Gateways),
		claim("clients", h.ClientsPort, h.Gateways),
		claim("clients over TLS", h.TLSPort, count[h.TLS()]*h.Gateways),
		claim("ACME", ACMEPort, count[h.ACME && h.TLSPort != ACMETLSPort]),
		claim("socks", h.SOCKSPort, count[h.SOCKS]),
	)
}
