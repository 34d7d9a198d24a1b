package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nym-socks5/internal/web"

	"nym-socks5/config"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
)

// certificateFiles writes the certificate that package httptest has for
// example.com, and its key.
func certificateFiles(t *testing.T) (l config.List, root *x509.Certificate) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	pair := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, block string, b []byte) config.Path {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: block, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Path(path)
	}
	l.Certificate = write("certificate.pem", "CERTIFICATE", pair.Certificate[0])
	l.Key = write("key.pem", "PRIVATE KEY", key)
	return l, s.Certificate()
}

func TestServeTLS(t *testing.T) {
	l, root := certificateFiles(t)
	cert, err := openCertificate(l)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }), secured(cert))
	}()
	roots := x509.NewCertPool()
	roots.AddCert(root)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(b) != "here" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}

	// Files that cannot be used change nothing.
	if err := os.WriteFile(string(l.Key), []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, _ := cert.Get(nil)
	err = cert.Reread()
	if after, _ := cert.Get(nil); err == nil || after != before {
		t.Errorf("a broken key was taken: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestForwarded(t *testing.T) {
	for _, c := range []struct {
		said []string
		want string
	}{
		{nil, ""},
		{[]string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"}, // what stands before the last is the client's own word
		{[]string{"198.51.100.7", "2001:db8::1"}, "2001:db8::1"},
		{[]string{"somebody"}, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Forwarded-For"] = c.said
		var want netip.Addr
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got := forwarded(r); got != want {
			t.Errorf("%q: %v, want %v", c.said, got, want)
		}
	}
}

// A node is found by its address with the Noise key it announces, and with no other.
func TestProbe(t *testing.T) {
	own := keys.NewNoiseKey()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	node := func(key *keys.NoiseKey) mixnet.NodeAddr {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := link.NewServer(link.ServerConfig{Key: key, Serve: func(_ context.Context, in *link.Inbound) {
			for {
				if _, err := in.Read(); err != nil {
					return
				}
			}
		}})
		ended := make(chan error, 1)
		go func() { ended <- server.Run(ctx, ln) }()
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return mixnet.NodeAddrFrom(ln.Addr().(*net.TCPAddr).AddrPort())
	}
	noisy, plain := node(own), node(nil)
	gone := httptest.NewServer(nil)
	gone.Close()
	nobody := mixnet.NodeAddrFrom(netip.MustParseAddrPort(gone.Listener.Addr().String()))
	for _, c := range []struct {
		name  string
		addr  mixnet.NodeAddr
		noise keys.Noise
		ok    bool
	}{
		{"its key", noisy, own.Public(), true},
		{"another key", noisy, keys.NewNoiseKey().Public(), false},
		{"plain", plain, keys.Noise{}, true},
		{"plain, a key announced", plain, own.Public(), false},
		{"nobody", nobody, keys.Noise{}, false},
	} {
		if err := probe(ctx, c.addr, c.noise); (err == nil) != c.ok {
			t.Errorf("%s: %v, want %v", c.name, err, c.ok)
		}
	}
}
