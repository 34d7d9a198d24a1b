package config

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Clients is the ports of a gateway where clients connect.
type Clients struct {
	Listen    netip.AddrPort `toml:"listen" flag:"clients-listen" arg:"ADDR" help:"IP and port of the WebSocket where clients connect. If empty, there is only the one over TLS"`
	TLSListen netip.AddrPort `toml:"tls_listen" flag:"clients-tls-listen" arg:"ADDR" help:"IP and port of the WebSocket over TLS (wss). If empty, there is none"`
	Hostname  string         `toml:"hostname" flag:"hostname" arg:"NAME" help:"name of this gateway, which its certificate is for. Our clients do not look it up"`

	Certificate Path `toml:"tls_certificate" arg:"FILE" help:"certificate and those above it, in PEM; read again on HUP"`
	Key         Path `toml:"tls_key" arg:"FILE" help:"key of the certificate, in PEM; read again on HUP"`

	ACME          bool           `toml:"acme" help:"instead of these files, have a certification authority certify the hostname, and renew that in time. You agree to its terms by setting this"`
	ACMEListen    netip.AddrPort `toml:"acme_listen" arg:"ADDR" help:"IP and port where the authority asks by HTTP; from outside it must be port 80. If empty, it can ask only by TLS, which takes port 443"`
	ACMEDirectory string         `toml:"acme_directory" arg:"URL" help:"address of the authority. If empty, it is Let's Encrypt's"`
	ACMEEmail     string         `toml:"acme_email" arg:"EMAIL" help:"where the authority writes to when something is wrong with the certificate"`

	MailAge            Duration `toml:"mail_age" arg:"TIME" help:"how long messages are kept for clients that are away"`
	MailPerClient      Size     `toml:"mail_per_client" arg:"SIZE" help:"most messages kept for one client"`
	MailTotal          Size     `toml:"mail_total" arg:"SIZE" help:"most messages kept for all clients"`
	MaxConns           int      `toml:"max_connections" arg:"N" help:"most connections of clients at a time"`
	MaxConnsPerAddress int      `toml:"max_connections_per_address" arg:"N" help:"most of them from one IPv4 address or IPv6 /56; this machine's own are not limited"`
	MaxPackets         int      `toml:"max_packets" arg:"N" help:"most packets a second passed on for all clients together; when they send more, they take turns and are read from more slowly"`
}

func (c Clients) check() error {
	return errors.Join(
		c.checkTLS(),
		between("clients.mail_age", c.MailAge, Duration(time.Minute), Duration(90*24*time.Hour)),
		between("clients.mail_per_client", c.MailPerClient, 1<<12, c.MailTotal),
		between("clients.mail_total", c.MailTotal, 1<<20, 1<<40),
		between("clients.max_connections", c.MaxConns, 1, 1<<20),
		between("clients.max_connections_per_address", c.MaxConnsPerAddress, 1, 1<<20),
		between("clients.max_packets", c.MaxPackets, 100, 1<<24),
	)
}

// Ports at which an authority asks, and no other: by TLS (RFC 8737 §3) and by HTTP
// (RFC 8555 §8.3).
const (
	ACMETLSPort = 443
	ACMEPort    = 80
)

func (c Clients) checkTLS() error {
	if !c.TLSListen.IsValid() {
		switch {
		case c.Certificate != "" || c.Key != "" || c.ACME:
			return invalid("clients.tls_listen is not set, and a certificate is: say with --clients-tls-listen where it is for")
		case !c.Listen.IsValid():
			return invalid("neither clients.listen nor clients.tls_listen is set: clients must connect somewhere, such as 0.0.0.0:9000")
		}
		return nil
	}
	if !isName(c.Hostname) {
		return invalid("clients.hostname is %q: over TLS clients need a name like gateway.example.org", c.Hostname)
	}
	files := c.Certificate != "" || c.Key != ""
	switch {
	case c.ACME && files:
		return invalid("clients.acme is on, and files with a certificate are given: only one can be")
	case !c.ACME && (c.Certificate == "" || c.Key == ""):
		return invalid("clients.tls_listen needs clients.tls_certificate and clients.tls_key, or clients.acme")
	case c.ACME && !c.ACMEListen.IsValid() && c.TLSListen.Port() != ACMETLSPort:
		return invalid("clients.acme needs clients.acme_listen, since clients.tls_listen is not at port %d", ACMETLSPort)
	}
	if u, err := url.Parse(c.ACMEDirectory); c.ACMEDirectory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return invalid("clients.acme_directory: %q is no address of an authority; it begins with https://", c.ACMEDirectory)
	}
	return nil
}

// isName tells names of hosts: labels of letters, digits and hyphens, at least
// two of them, of which the last is no number, as it would be in an address.
func isName(s string) bool {
	labels := strings.Split(s, ".")
	for _, label := range labels {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool {
				return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
			}) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return len(s) <= 253 && len(labels) > 1 && strings.Trim(last, "0123456789") != ""
}

// Gateway is the settings of a gateway.
type Gateway struct {
	Base
	Mix          Mix          `toml:"mix"`
	Clients      Clients      `toml:"clients"`
	Registration Registration `toml:"registration"`
}

// NewGateway gives the defaults.
func NewGateway() *Gateway {
	return &Gateway{
		Base: newBase(),
		Mix:  newMix(),
		Clients: Clients{
			Listen:             netip.AddrPortFrom(netip.IPv4Unspecified(), 9000),
			ACMEListen:         netip.AddrPortFrom(netip.IPv4Unspecified(), ACMEPort),
			MailAge:            Duration(24 * time.Hour),
			MailPerClient:      16 << 20,
			MailTotal:          1 << 30,
			MaxConns:           8192,
			MaxConnsPerAddress: 64,
			MaxPackets:         16_000,
		},
	}
}

// Check implements [Config].
func (c *Gateway) Check() error {
	return errors.Join(
		c.Log.check(),
		c.Ops.check(),
		c.Network.check(),
		c.Mix.check(),
		c.Registration.check(c.Network),
		c.Clients.check(),
	)
}

// Missing implements [Config].
func (c *Gateway) Missing() error { return errors.Join(c.Network.missing(), c.Mix.missing()) }
