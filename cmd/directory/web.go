package main

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"

	"nym-socks5/internal/web"

	"nym-socks5/config"
)

// openCertificate reads the files of the settings; nil if they name none.
func openCertificate(l config.List) (*web.Certificate, error) {
	if l.Certificate == "" {
		return nil, nil
	}
	return web.OpenCertificate("directory.tls_certificate", l.Certificate, l.Key, "")
}

// secured is how the port speaks TLS; nil without a certificate.
func secured(cert *web.Certificate) *tls.Config {
	if cert == nil {
		return nil
	}
	return web.ServerTLS(cert.Get)
}

// forwarded is the address that a reverse proxy says a request came from; the
// zero address if it says none, which all such requests share.
func forwarded(r *http.Request) netip.Addr {
	all := r.Header.Values("X-Forwarded-For")
	if len(all) == 0 {
		return netip.Addr{}
	}
	said := all[len(all)-1]
	ip, _ := netip.ParseAddr(strings.TrimSpace(said[strings.LastIndexByte(said, ',')+1:]))
	return ip
}
