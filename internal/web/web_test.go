package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/config"
	"nym-socks5/internal/runtest"
	"nym-socks5/internal/simnet"
)

const siteAddr = "192.0.2.1:8080"

// writeCertificate writes a certificate for a name, and its key, and gives who
// trusts it.
func writeCertificate(t *testing.T, dir, name string) (cert, key config.Path, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = config.Path(filepath.Join(dir, "cert.pem")), config.Path(filepath.Join(dir, "key.pem"))
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	err = errors.Join(os.WriteFile(string(cert), text, 0o600),
		os.WriteFile(string(key), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, roots
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := writeCertificate(t, dir, "a.example")
	c, err := OpenCertificate("clients.tls_certificate", cert, key, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	first, _ := c.Get(nil)
	if got := first.Leaf.DNSNames[0]; got != "a.example" {
		t.Errorf("shows a certificate for %s", got)
	}
	writeCertificate(t, dir, "b.example")
	if err := c.Reread(); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("a certificate for another name: %v, want ErrInvalid", err)
	}
	if kept, _ := c.Get(nil); kept != first {
		t.Error("the one before did not stay")
	}
	writeCertificate(t, dir, "a.example")
	if err := c.Reread(); err != nil {
		t.Fatal(err)
	}
	if next, _ := c.Get(nil); next == first {
		t.Error("the new one is not shown")
	}
	if err := os.WriteFile(string(key), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Reread(); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("no key: %v, want ErrInvalid", err)
	}
}

// By a session ticket an onlooker could tell that a client has come back.
func TestTLSHandsOutNoTickets(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		synctest.Test(t, func(t *testing.T) {
			cert, key, roots := writeCertificate(t, t.TempDir(), "a.example")
			c, err := OpenCertificate("tls", cert, key, "")
			if err != nil {
				t.Fatal(err)
			}
			n, _ := serve(t, ServerTLS(c.Get), http.NotFoundHandler())
			seen := &tickets{}
			conn, err := n.DialContext(t.Context(), "tcp", siteAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			secure := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "a.example", MinVersion: version, MaxVersion: version, ClientSessionCache: seen})
			io.WriteString(secure, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
			if b, err := io.ReadAll(secure); len(b) == 0 || err != nil {
				t.Fatalf("answer of %d bytes, %v", len(b), err)
			}
			if seen.kept {
				t.Errorf("version %x: the server gave a ticket", version)
			}
		})
	}
}

// tickets notes whether a client was given one.
type tickets struct{ kept bool }

func (*tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (k *tickets) Put(_ string, s *tls.ClientSessionState)  { k.kept = k.kept || s != nil }

// serve answers at siteAddr until the test ends.
func serve(t *testing.T, secure *tls.Config, handler http.Handler) (n *simnet.Network, stop func()) {
	t.Helper()
	n = simnet.New()
	ln, err := n.Listen(siteAddr)
	if err != nil {
		t.Fatal(err)
	}
	return n, runtest.Start(t, func(ctx context.Context) error { return Serve(ctx, ln, handler, secure) })
}

// Requests under way are answered when the program ends, unless they take long.
func TestServeEndsInTime(t *testing.T) {
	for takes, want := range map[time.Duration]string{
		stopWithin - time.Second: "here",
		stopWithin + time.Second: "",
	} {
		synctest.Test(t, func(t *testing.T) {
			n, stop := serve(t, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(takes)
				io.WriteString(w, "here")
			}))
			answered := make(chan string, 1)
			go func() { answered <- ask(t, n) }()
			synctest.Wait()
			began := time.Now()
			stop()
			if took := time.Since(began); took > stopWithin {
				t.Errorf("it ended after %v", took)
			}
			if got := <-answered; got != want {
				t.Errorf("a request that takes %v: got %q, want %q", takes, got, want)
			}
			time.Sleep(2 * time.Second) // for the handler
		})
	}
}

// ask gives the body of an answer; empty: there was none.
func ask(t *testing.T, n *simnet.Network) string {
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	r, err := client.Get("http://" + siteAddr)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

// Who asks slowly, or not at all, is closed.
func TestServeClosesTheSlow(t *testing.T) {
	for sent, want := range map[string]time.Duration{
		"":                                  headerWithin,
		"GET / HTTP/1.1\r\n":                headerWithin,
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n": webIdle,
	} {
		synctest.Test(t, func(t *testing.T) {
			n, _ := serve(t, nil, http.NotFoundHandler())
			c, err := n.DialContext(t.Context(), "tcp", siteAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			began := time.Now()
			io.WriteString(c, sent)
			if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Fatal(err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("%q: closed after %v, want %v", sent, took, want)
			}
		})
	}
}
