package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

// legacyMixFetch are the arguments for Node that start the mix-fetch of before
// 2025 (nodes.md §5.1, generation C).
func (w *world) legacyMixFetch(t *testing.T) []string {
	t.Helper()
	options, err := json.Marshal(w.options())
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--no-experimental-global-webcrypto", "mixfetch-node.cjs", string(options)}
}

// mix-fetch for Node is of before 2025. Where such clients are served, it
// fetches through our requester. Version 1.4.4 panics on any body of a request
// and on a refusal, whoever answers; so none is here.
func TestLegacyMixFetch(t *testing.T) {
	at := newTargets(t)
	spec := at.spec()
	spec.AllowLegacy = true
	w := newWorld(t, spec)
	f := startFetcher(t, w.legacyMixFetch(t)...)
	gets(t, f, at.url)
	t.Run("POST without a body", func(t *testing.T) {
		r := f.fetch(t, fetch{URL: at.url("/hello"), Method: "POST"})
		want(t, "body", r.Body, []byte("hello POST"))
	})
	t.Run("ten GETs at once", func(t *testing.T) {
		var open []<-chan fetched
		for i := range 10 {
			open = append(open, f.start(t, fetch{URL: at.url(fmt.Sprintf("/number/%d", i)), Method: "GET"}))
		}
		for i, c := range open {
			r := answer(t, fmt.Sprintf("request %d", i), c)
			want(t, fmt.Sprintf("body %d", i), r.Body, fmt.Appendf(nil, "number %d", i))
		}
	})
	at.wantHello(t, f)
	t.Run("and on", func(t *testing.T) {
		r := f.fetch(t, fetch{URL: at.url("/hello"), Method: "GET"})
		want(t, "body", r.Body, []byte("hello GET"))
	})
}

// Where such clients are not served, it ends at the lists, which are not there.
func TestLegacyMixFetchIsOff(t *testing.T) {
	w := newWorld(t, newTargets(t).spec())
	f := launchFetcher(t, w.legacyMixFetch(t)...)
	e := await(t, "the start", f.started)
	if e.Event != "error" || !strings.Contains(e.Error, "could not be found") { // its words for 404
		t.Errorf("got %s %q, want an error about lists that are not there", e.Event, e.Error)
	}
}

// Nym's client of 2026 at a gateway that announces a protocol of before 2025
// speaks as one of then did. When the gateway announces ours, it replaces the
// key that they share (nodes.md §1.6), once.
func TestWasmOldProtocol(t *testing.T) {
	const (
		text = `"supportedProtocol","version":%d`
		ours = 6
	)
	var version, told, registered, upgraded atomic.Int32
	version.Store(ours)                           // to the clients of the network itself
	door, err := net.Listen("tcp", "127.0.0.1:0") // of the gateway that announces less
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, localnet.Spec{
		AllowLegacy: true,
		Traffic:     client.Fast(),
		Addr: func(part string) string {
			if part == "gateway-1-clients" {
				return door.Addr().String()
			}
			return "127.0.0.1:0"
		},
		Listen: func(addr string) (net.Listener, error) {
			if addr != door.Addr().String() {
				return net.Listen("tcp", addr)
			}
			return announcer{door, func(b []byte) []byte {
				announced := fmt.Appendf(nil, text, version.Load())
				b = bytes.ReplaceAll(b, fmt.Appendf(nil, text, ours), announced)
				told.Add(int32(bytes.Count(b, announced)))
				registered.Add(int32(bytes.Count(b, []byte(`"register","protocol_version":1`))))
				upgraded.Add(int32(bytes.Count(b, []byte(`"encryptedResponse"`))))
				return b
			}}, nil
		},
	})
	options := fmt.Sprintf(`{"clientId":"interop","preferredGateway":%q}`, w.network.Gateways()[0].Identity)
	file := filepath.Join(t.TempDir(), "storage")
	for _, c := range []struct {
		name                 string
		version              int32
		registered, upgraded int32 // so far
	}{
		{"old", 1, 1, 0},
		{"new", ours, 1, 1},
		{"new again", ours, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			version.Store(c.version)
			told.Store(0)
			f := startForeign(t, w.api, options, file)
			f.send(t, f.address, []byte("hello self"))
			f.wantBodies(t, "hello self")
			f.quit(t)
			if told.Load() == 0 {
				t.Errorf("nobody was told of version %d", c.version)
			}
			if r, u := registered.Load(), upgraded.Load(); r != c.registered || u != c.upgraded {
				t.Errorf("%d registrations with protocol 1 and %d new keys so far, want %d and %d", r, u, c.registered, c.upgraded)
			}
		})
	}
}

// An announcer changes what its connections say.
type announcer struct {
	net.Listener
	change func([]byte) []byte // into as many bytes
}

func (a announcer) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return changed{c, a.change}, nil
}

type changed struct {
	net.Conn
	change func([]byte) []byte
}

func (c changed) Write(b []byte) (int, error) { return c.Conn.Write(c.change(b)) }
