package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

// zone holds names that only our requester can look up: what asks for one and
// gets an answer went through the mixnet.
const zone = ".example.com"

const megabyte = 1 << 20

// targets are two servers that only a requester of ours can name.
type targets struct {
	plain, secure netip.AddrPort
	hello         atomic.Value // the name in the last ClientHello
	hosts         int          // named so far
}

func newTargets(t *testing.T) *targets {
	at := new(targets)
	plain := httptest.NewServer(http.HandlerFunc(serve))
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(serve))
	secure.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		at.hello.Store(h.ServerName)
		return nil, nil
	}}
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	at.plain, at.secure = address(t, plain), address(t, secure)
	return at
}

// spec is a network whose requester connects to them and to nothing else.
func (at *targets) spec() localnet.Spec {
	return localnet.Spec{
		Traffic: client.Fast(),
		Allow: func(host string, addr netip.Addr, port uint16) error {
			ours := port == at.plain.Port() || port == at.secure.Port()
			if !ours || !strings.HasSuffix(host, zone) || addr.IsValid() && addr != at.plain.Addr() {
				return errors.New("not for this test")
			}
			return nil
		},
		Lookup: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{at.plain.Addr()}, nil },
	}
}

// url names the plain one. mix-fetch has one request at a time for a host: each
// gets its own.
func (at *targets) url(path string) string {
	at.hosts++
	return fmt.Sprintf("http://host%d%s:%d%s", at.hosts, zone, at.plain.Port(), path)
}

// wantHello asks the secure one. The authorities that mix-fetch trusts are built
// in, so this server's is unknown to it. It says so after a handshake through
// our requester.
func (at *targets) wantHello(t *testing.T, f *fetcher) {
	t.Run("TLS", func(t *testing.T) {
		text := f.fails(t, fetch{URL: fmt.Sprintf("https://secure%s:%d/hello", zone, at.secure.Port()), Method: "GET"})
		if !strings.Contains(text, "unknown authority") {
			t.Errorf("got error %q, want one about an unknown authority", text)
		}
		if got := at.hello.Load(); got != "secure"+zone {
			t.Errorf("the server got a ClientHello for %v, want one for %s", got, "secure"+zone)
		}
	})
}

// serve is the target.
func serve(w http.ResponseWriter, r *http.Request) {
	if number, ok := strings.CutPrefix(r.URL.Path, "/number/"); ok {
		fmt.Fprint(w, "number ", number)
		return
	}
	switch r.URL.Path {
	case "/hello":
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "hello ", r.Method)
	case "/noise":
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(noise(megabyte))
	case "/echo":
		w.Header().Set("Content-Type", "application/octet-stream")
		// Over a connection that stays open, Go drops what is unread of a body when
		// an answer begins, unless it is told not to.
		_ = http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	default:
		http.NotFound(w, r)
	}
}

func address(t *testing.T, s *httptest.Server) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return a
}
