package main

import (
	"crypto/tls"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
)

func newAuthority(t *testing.T, c config.Clients) *authority {
	t.Helper()
	s, _, err := cli.OpenState(t.TempDir(), cli.Upgrade{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	a, err := openAuthority(c, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.close() })
	return a
}

// No certificate is asked for but that of our name, whatever name clients say,
// and a handshake never waits for one.
func TestAuthorityCertifiesOneName(t *testing.T) {
	a := newAuthority(t, config.Clients{
		Hostname: "GW.example.org", ACMEDirectory: "https://127.0.0.1:1/directory", ACMEEmail: "admin@example.org",
		ACMEListen: netip.MustParseAddrPort("127.0.0.1:0"),
	})
	if a.manager.Client.DirectoryURL != "https://127.0.0.1:1/directory" || a.manager.Email != "admin@example.org" {
		t.Errorf("asks %q as %q", a.manager.Client.DirectoryURL, a.manager.Email)
	}
	if a.http == nil {
		t.Error("the authority cannot ask by HTTP")
	}
	for name, ok := range map[string]bool{
		"gw.example.org": true, "gw.example.org:8080": true,
		"example.org": false, "example.org:8080": false, "a.gw.example.org": false, "": false,
	} {
		if err := a.manager.HostPolicy(t.Context(), name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	began := time.Now()
	for _, c := range []struct {
		hello tls.ClientHelloInfo
		want  error
	}{
		{tls.ClientHelloInfo{ServerName: "evil.example"}, errOtherName},
		{tls.ClientHelloInfo{}, errOtherName},
		{tls.ClientHelloInfo{ServerName: "evil.example", SupportedProtos: []string{acme.ALPNProto}}, errOtherName},
		{tls.ClientHelloInfo{ServerName: "gw.example.org"}, errNoCertificate},
	} {
		if _, err := a.get(&c.hello); err != c.want {
			t.Errorf("%q: %v, want %v", c.hello.ServerName, err, c.want)
		}
	}
	// The authority's own handshake is answered from memory: there is no challenge.
	if _, err := a.get(&tls.ClientHelloInfo{ServerName: "gw.example.org", SupportedProtos: []string{acme.ALPNProto}}); err == nil {
		t.Error("a challenge that was never made was answered")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("handshakes waited %v for the authority", took)
	}
	own := &tls.Certificate{}
	a.cert.Store(own)
	if got, err := a.get(&tls.ClientHelloInfo{ServerName: "gw.EXAMPLE.org", SupportedProtos: []string{"http/1.1"}}); got != own || err != nil {
		t.Errorf("the certificate there is: %v, %v", got, err)
	}
	if c := a.tls(); c.MinVersion != tls.VersionTLS12 || len(c.NextProtos) != 2 || c.NextProtos[1] != acme.ALPNProto {
		t.Errorf("TLS from %#x on, with %q", c.MinVersion, c.NextProtos)
	}
}

// hardening.md H36: "Key files readable by others are refused".
func TestH36AuthorityFolder(t *testing.T) {
	s, _, err := cli.OpenState(t.TempDir(), cli.Upgrade{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := config.Clients{Hostname: "gw.example.org"}
	if _, err := openAuthority(c, s); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Path(acmeFolder))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(s.Path(acmeFolder), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := openAuthority(c, s); err == nil {
		t.Error("a folder that others can read was taken")
	}
}
