package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nym-socks5/internal/clitest"
	"nym-socks5/internal/socksclient"
)

// patience is how long a step may take. None takes more than a few seconds.
const patience = time.Minute

// A testbed has the programs, their profiles, and who certifies the gateway.
type testbed struct {
	bin, dir string
	root     *x509.Certificate
	key      *ecdsa.PrivateKey
}

func newTestbed(t *testing.T) *testbed {
	t.Helper()
	b := &testbed{bin: t.TempDir(), dir: t.TempDir()}
	out, err := exec.Command("go", "build", "-o", b.bin+string(filepath.Separator),
		"../directory", "../mixnode", "../network-requester", "../nym-socks5", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
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
	if err := os.WriteFile(b.path(name), pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}), 0o600); err != nil {
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

func (b *testbed) path(name string) string { return filepath.Join(b.dir, name) }

// do runs a program to its end. The words come before the flags.
func (b *testbed) do(t *testing.T, program, profile string, words []string, flags ...string) []byte {
	t.Helper()
	var errOut bytes.Buffer
	cmd := exec.Command(filepath.Join(b.bin, program), append(append(words, b.profile(profile)...), flags...)...)
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, words, err, errOut.String())
	}
	return out
}

// run starts "PROGRAM run", which ends with the test if not before.
func (b *testbed) run(t *testing.T, program, profile string, flags ...string) *clitest.Running {
	t.Helper()
	flags = append(append([]string{"run", "--log-level", "debug"}, b.profile(profile)...), flags...)
	return clitest.Start(t, profile, patience, filepath.Join(b.bin, program), flags...)
}

func (b *testbed) profile(name string) []string {
	return []string{"--config", b.path(name + ".toml"), "--state-dir", b.path(name)}
}

// free gives an address of this machine that is free.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// fetch gets a page through the proxy.
func fetch(proxy, target string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := socksclient.Dialer{Proxy: proxy}
	c := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
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
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	defer target.Close()
	host := target.Listener.Addr().String()

	b.certify(t, 10, name)
	secure := free(t)
	b.do(t, "directory", "directory", []string{"init"}, "--network", "testnet", "--listen", free(t), "--period", "1s")
	parts := []struct {
		program, name, role string
		flags               []string
	}{
		{"mixnode", "mix1", "mixnode", nil}, {"mixnode", "mix2", "mixnode", nil}, {"mixnode", "mix3", "mixnode", nil},
		{"gateway", "gateway", "gateway", []string{
			"--clients-listen", "", "--clients-tls-listen", secure, "--hostname", name,
			"--tls-certificate", b.path("gateway.pem"), "--tls-key", b.path("gateway.key"),
		}},
		{"network-requester", "requester", "requester", nil},
	}
	for i := range parts {
		p := &parts[i]
		if p.role != "requester" {
			p.flags = append(p.flags, "--mix-listen", free(t))
		}
		b.do(t, p.program, p.name, []string{"init"}, p.flags...)
		var d map[string]string
		if err := json.Unmarshal(b.do(t, p.program, p.name, []string{"details"}, "--output", "json"), &d); err != nil {
			t.Fatal(err)
		}
		b.do(t, "directory", "directory", []string{"allow", d["identity_key"], "--role", p.role})
	}

	t.Setenv("SSL_CERT_FILE", b.path("root.pem")) // what the programs that follow trust
	told := strings.Fields(b.run(t, "directory", "directory").Line(t))
	var gateway *clitest.Running
	for _, p := range parts[:4] {
		gateway = b.run(t, p.program, p.name, append(told, "--register")...)
	}
	fast := append(told, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off")
	requester := b.run(t, "network-requester", "requester", append(fast, "--register", "--allow", host)...)
	fast = append(fast, "--requester", requester.Line(t), "--listen", "127.0.0.1:0")
	socks := b.run(t, "nym-socks5", "socks", fast...)
	proxy := strings.TrimPrefix(socks.Line(t), "socks5h://")
	if got, err := fetch(proxy, host); got != page || err != nil {
		t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
	}

	// Who does not trust the certificate does not connect, and asks nobody else.
	b.write(t, "other.pem", "CERTIFICATE", b.other(t))
	t.Setenv("SSL_CERT_FILE", b.path("other.pem"))
	wary := b.run(t, "nym-socks5", "wary", fast...)
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
	if got, err := fetch(proxy, host); got != page || err != nil {
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
	for _, secret := range []string{c.LocalAddr().String(), host} {
		if strings.Contains(gateway.Logged(), secret) {
			t.Errorf("the gateway's log has %s in it", secret)
		}
	}
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
