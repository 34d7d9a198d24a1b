package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"nym-socks5/internal/clitest"
)

// A testbed has the programs, and who certifies the gateway.
type testbed struct {
	*clitest.Testbed
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestbed(t *testing.T) *testbed {
	t.Helper()
	b := &testbed{Testbed: clitest.NewTestbed(t, "../directory", "../mixnode", "../network-requester", "../nym-socks5", ".")}
	var err error
	if b.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	form := b.form(1)
	form.IsCA, form.BasicConstraintsValid = true, true
	b.root = form // it signs itself
	if b.root, err = x509.ParseCertificate(b.sign(t, form, b.key)); err != nil {
		t.Fatal(err)
	}
	b.write(t, "root.pem", "CERTIFICATE", b.root.Raw)
	return b
}

func (b *testbed) form(serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

func (b *testbed) sign(t *testing.T, form *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, form, b.root, &key.PublicKey, b.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (b *testbed) write(t *testing.T, name, block string, der []byte) {
	t.Helper()
	if err := os.WriteFile(b.Path(name), pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certify writes a new certificate for the gateway.
func (b *testbed) certify(t *testing.T, serial int64, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	form := b.form(serial)
	form.DNSNames = []string{name}
	b.write(t, "gateway.pem", "CERTIFICATE", b.sign(t, form, key))
	b.write(t, "gateway.key", "PRIVATE KEY", der)
}

// shown is the serial number of the certificate that a port shows.
func (b *testbed) shown(t *testing.T, at, name string) int64 {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(b.root)
	c, err := tls.Dial("tcp", at, &tls.Config{RootCAs: roots, ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.ConnectionState().NegotiatedProtocol != "" {
		t.Errorf("protocol %q, and nobody offered one", c.ConnectionState().NegotiatedProtocol)
	}
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// A gateway that is reached over TLS only, by a name that nothing resolves: a
// page comes through it for a client that trusts its certificate, none for one
// that does not, and its certificate changes while it runs.
func TestNetworkOverTLS(t *testing.T) {
	const name = "gateway.invalid" // RFC 6761: no look-up ever finds it
	b := newTestbed(t)
	page := strings.Repeat("over TLS ", 1000)
	host := clitest.Serve(t, page)

	b.certify(t, 10, name)
	secure := b.Addr(t)
	b.Do(t, "directory", "directory", "init", "--network", "testnet", "--listen", b.Addr(t), "--period", "1s")
	parts := []struct {
		program, name, role string
		flags               []string
	}{
		{"mixnode", "mix1", "mixnode", nil}, {"mixnode", "mix2", "mixnode", nil}, {"mixnode", "mix3", "mixnode", nil},
		{"gateway", "gateway", "gateway", []string{
			"--clients-listen", "", "--clients-tls-listen", secure, "--hostname", name,
			"--tls-certificate", b.Path("gateway.pem"), "--tls-key", b.Path("gateway.key"),
		}},
		{"network-requester", "requester", "requester", nil},
	}
	for i := range parts {
		p := &parts[i]
		if p.role != "requester" {
			p.flags = append(p.flags, "--mix-listen", b.Addr(t))
		}
		d := b.Init(t, p.program, p.name, p.flags...)
		b.Do(t, "directory", "directory", "allow", d["identity_key"], "--role", p.role)
	}

	t.Setenv("SSL_CERT_FILE", b.Path("root.pem")) // what the programs that follow trust
	told := strings.Fields(b.Run(t, "directory", "directory").Line(t))
	var gateway *clitest.Running
	for _, p := range parts[:4] {
		gateway = b.Run(t, p.program, p.name, append(told, "--register")...)
	}
	fast := append(told, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off")
	requester := b.Run(t, "network-requester", "requester", append(fast, "--register", "--allow", host)...)
	fast = append(fast, "--requester", requester.Line(t), "--listen", "127.0.0.1:0")
	socks := b.Run(t, "nym-socks5", "socks", fast...)
	proxy := socks.Line(t)
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
	}

	// Who does not trust the certificate does not connect, and asks nobody else.
	b.write(t, "other.pem", "CERTIFICATE", b.other(t))
	t.Setenv("SSL_CERT_FILE", b.Path("other.pem"))
	wary := b.Run(t, "nym-socks5", "wary", fast...)
	wary.Says(t, "certificate refused", 1)

	// HUP: a new certificate is shown from then on, one that is no good never.
	if n := b.shown(t, secure, name); n != 10 {
		t.Errorf("certificate %d, want 10", n)
	}
	b.certify(t, 11, name)
	gateway.Signal(t, syscall.SIGHUP)
	gateway.Says(t, "files read again", 1)
	if n := b.shown(t, secure, name); n != 11 {
		t.Errorf("certificate %d, want 11", n)
	}
	b.certify(t, 12, "elsewhere.invalid")
	gateway.Signal(t, syscall.SIGHUP)
	gateway.Says(t, "a file cannot be used", 1)
	if n := b.shown(t, secure, name); n != 11 {
		t.Errorf("certificate %d after one for another name, want 11", n)
	}
	if got, err := clitest.Fetch(proxy, host); got != page || err != nil {
		t.Errorf("afterwards: %d bytes, %v", len(got), err)
	}

	// H38: a handshake that fails leaves no address in the log.
	c, err := net.Dial("tcp", secure)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
	io.Copy(io.Discard, c)
	c.Close()
	for _, r := range []*clitest.Running{wary, socks, requester, gateway} {
		r.End(t)
	}
	gateway.Hides(t, c.LocalAddr().String(), host)
}

// other is the certificate of somebody who certified nothing here.
func (b *testbed) other(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := b.form(2)
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
