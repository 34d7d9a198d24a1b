package interop

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"nym-socks5/internal/clitest"
)

// A gateway has its name certified by Pebble, the authority that Let's Encrypt
// made to try clients with. It asks the gateway over TLS and, where nobody
// answers there, by HTTP. A gateway that is started again shows the certificate
// that it has.
func TestACME(t *testing.T) {
	for _, byTLS := range []bool{true, false} {
		name := "asks by HTTP"
		if byTLS {
			name = "asks over TLS"
		}
		t.Run(name, func(t *testing.T) {
			b := clitest.NewTestbedOf(t, programs(t))
			secure, web := netip.MustParseAddrPort(b.Addr(t)), netip.MustParseAddrPort(b.Addr(t))
			a := &authority{name: "gw.example.org", at: secure.Addr(), http: web.Port(), tls: secure.Port()}
			if !byTLS {
				a.tls = netip.MustParseAddrPort(b.Addr(t)).Port() // where nobody is
			}
			a.run(t)

			b.Do(t, "directory", "directory", "init", "--network", "testnet", "--listen", b.Addr(t), "--period", "1s")
			d := b.Init(t, "gateway", "gateway", "--mix-listen", b.Addr(t), "--clients-tls-listen", secure.String(),
				"--hostname", a.name, "--acme", "--acme-directory", a.url, "--acme-listen", web.String())
			b.Do(t, "directory", "directory", "allow", d["identity_key"], "--role", "gateway")
			told := strings.Fields(b.Run(t, "directory", "directory").Line(t))
			var first []byte
			for range 2 {
				gateway := b.Run(t, "gateway", "gateway", append(told, "--register")...)
				gateway.Says(t, "certificate obtained", 1)
				c, err := tls.Dial("tcp", secure.String(), &tls.Config{RootCAs: a.roots, ServerName: a.name})
				if err != nil {
					t.Fatal(err)
				}
				shown := c.ConnectionState().PeerCertificates[0].Raw
				c.Close()
				if first == nil {
					first = shown
				}
				if !bytes.Equal(shown, first) {
					t.Error("the second start shows another certificate than the first")
				}
				gateway.End(t)
			}
		})
	}
}

// An authority certifies whoever answers to a name at two ports.
type authority struct {
	name      string
	at        netip.Addr // what the name is for it, and for nobody else
	http, tls uint16

	url   string         // where it is
	roots *x509.CertPool // who trusts what it issues
}

// run runs it until the test ends. Programs that are started from then on trust
// the certificate of its own.
func (a *authority) run(t *testing.T) {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	asker := va.New(quiet, int(a.http), int(a.tls), true, a.runNames(t), store)
	front := wfe.New(quiet, store, asker, issuer, []string{"example.org"}, true, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	a.url = server.URL + wfe.DirectoryPath
	a.roots = x509.NewCertPool()
	a.roots.AddCert(issuer.GetRootCert(0).Cert)

	own := filepath.Join(t.TempDir(), "authority.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(own, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", own)
}

// runNames runs a name server that knows one name until the test ends.
func (a *authority) runNames(t *testing.T) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		answer := new(dns.Msg).SetReply(r)
		for _, q := range r.Question {
			if q.Qtype == dns.TypeA && q.Name == dns.Fqdn(a.name) {
				answer.Answer = append(answer.Answer, &dns.A{
					Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
					A:   a.at.AsSlice(),
				})
			}
		}
		w.WriteMsg(answer)
	})}
	done := make(chan error, 1)
	go func() { done <- s.ActivateAndServe() }()
	t.Cleanup(func() {
		s.Shutdown()
		<-done
	})
	return ln.Addr().String()
}
