package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"

	"nym-socks5/internal/web"

	"github.com/rs/zerolog"

	"nym-socks5/cmd/assembly"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/gateway"
)

// The ports are those where clients connect: a plain one, one over TLS, or both.
type ports struct {
	all  []net.Listener    // as the engine takes them
	said directory.Clients // what the network is told of them
	cert *web.Certificate  // nil: plain only, or
	ca   *authority        // this instead
}

// openPorts opens them.
func openPorts(env *cli.Env[*config.Gateway]) (p *ports, err error) {
	c := env.Config.Clients
	p = new(ports)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if c.Listen.IsValid() {
		ln, err := env.Listen(listen)
		if err != nil {
			return p, err
		}
		p.all = append(p.all, ln)
		p.said.WS = portOf(ln)
	}
	if !c.TLSListen.IsValid() {
		return p, nil
	}
	var secure *tls.Config
	if c.ACME {
		if p.ca, err = openAuthority(c, env.State); err != nil {
			return p, err
		}
		secure = p.ca.tls()
	} else {
		if p.cert, err = openCertificate(c); err != nil {
			return p, err
		}
		secure = web.ServerTLS(p.cert.Get)
	}
	ln, err := env.Listen(tlsListen)
	if err != nil {
		return p, err
	}
	p.all = append(p.all, gateway.TLS(ln, secure))
	p.said.WSS, p.said.Hostname = portOf(ln), c.Hostname
	return p, nil
}

// openCertificate reads the files of the settings.
func openCertificate(c config.Clients) (*web.Certificate, error) {
	return web.OpenCertificate("clients.tls_certificate", c.Certificate, c.Key, c.Hostname)
}

func portOf(ln net.Listener) uint16 { return ln.Addr().(*net.TCPAddr).AddrPort().Port() }

// files are those that are read again on HUP.
func (p *ports) files() []cli.Rereader {
	if p.cert == nil {
		return nil
	}
	return []cli.Rereader{p.cert}
}

// run keeps a certificate in force that an authority gives, until ctx ends.
func (p *ports) run(ctx context.Context, log zerolog.Logger) error {
	if p.ca == nil {
		return nil
	}
	return p.ca.run(ctx, log)
}

// close closes what the engine did not come to run.
func (p *ports) close() error {
	var errs []error
	for _, ln := range p.all {
		errs = append(errs, ln.Close())
	}
	if p.ca != nil {
		errs = append(errs, p.ca.close())
	}
	return errors.Join(errs...)
}

// details tells the network where clients connect (nodes.md §4.8).
func details(c config.Clients) (d []cli.Detail) {
	port := func(name string, at netip.AddrPort) {
		if at.IsValid() {
			d = append(d, assembly.Port(name, at.Port()))
		}
	}
	port("clients_ws_port", c.Listen)
	port("clients_wss_port", c.TLSListen)
	if c.TLSListen.IsValid() {
		d = append(d, cli.Detail{Name: "hostname", Value: c.Hostname})
	}
	return d
}
