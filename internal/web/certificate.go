package web

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"nym-socks5/config"
)

// A Certificate is what a TLS port shows, from files that may change. Its
// methods may be called by many goroutines.
type Certificate struct {
	setting           string
	hostname          string
	certFile, keyFile string
	pair              atomic.Pointer[tls.Certificate]
}

// OpenCertificate reads a certificate with those above it, and its key. Setting
// is what errors call it. If hostname is not empty, it must be for that.
func OpenCertificate(setting string, cert, key config.Path, hostname string) (*Certificate, error) {
	c := &Certificate{setting: setting, hostname: hostname, certFile: string(cert), keyFile: string(key)}
	return c, c.Reread()
}

// Reread reads the files again: handshakes that begin now see the new
// certificate. If the files cannot be used, the one before stays.
func (c *Certificate) Reread() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil && c.hostname != "" {
		err = pair.Leaf.VerifyHostname(c.hostname)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %v", config.ErrInvalid, c.setting, err)
	}
	c.pair.Store(&pair)
	return nil
}

// Get is for [tls.Config.GetCertificate].
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Load(), nil }

// ServerTLS makes the settings of a TLS port for HTTP/1.1, which is what
// WebSockets begin with. It hands out no tickets: by them an onlooker could tell
// that a client has come back.
func ServerTLS(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		GetCertificate:         get,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
	}
}
