package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/clitest"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
)

// longAgo is what a directory of the network said in another year, by path: in a
// bubble, where time begins in 2000.
func longAgo(t *testing.T, key *keys.IdentityKey, nodes []directory.Node) http.Handler {
	type answer struct {
		status int
		head   http.Header
		body   string
	}
	said := make(map[string]answer)
	synctest.Test(t, func(t *testing.T) {
		server, err := dirserver.New(dirserver.Config{
			Network: "testnet", Key: key, Fixed: nodes,
			Schedule: directory.Schedule{Start: time.Now().Add(-time.Hour).Truncate(time.Second), Duration: time.Hour, Validity: 8760, First: 8760},
		})
		if err != nil {
			t.Fatal(err)
		}
		runDirectory(t, server)
		time.Sleep(time.Minute)
		for _, path := range []string{"/v1/topology", "/v1/topology/next", "/v1/head", "/v1/heads?from=1", "/v1/heads?from=2"} {
			w := httptest.NewRecorder()
			server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://directory"+path, nil))
			said[path] = answer{w.Code, w.Header(), w.Body.String()}
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := said[strings.TrimPrefix(r.URL.RequestURI(), "/api")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		for name, values := range a.head {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	})
}

// A doctor finds nothing wrong with a network that is well, and names what ails one
// that is not: what it is, and what to do.
func TestDoctor(t *testing.T) {
	b, nodes, topology := newNetwork(t)
	text, err := os.ReadFile(topology)
	if err != nil {
		t.Fatal(err)
	}
	view, err := directory.ParseFile(text)
	if err != nil {
		t.Fatal(err)
	}
	key := keys.NewIdentityKey()
	server, err := dirserver.New(dirserver.Config{
		Network: "testnet", Key: key, Fixed: view.Nodes, Period: time.Second,
		Schedule: directory.Schedule{Start: time.Now().Add(-time.Hour), Duration: time.Hour, Validity: 8760, First: 8760},
	})
	if err != nil {
		t.Fatal(err)
	}
	runDirectory(t, server)
	web := httptest.NewServer(server)
	defer web.Close()
	old := httptest.NewServer(longAgo(t, key, view.Nodes))
	defer old.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	host := clitest.Serve(t, "page")
	network := func(url string, key keys.Identity) []string {
		return []string{"--directory", url, "--directory-key", key.String(), "--network", "testnet", "--hop-delay", "off"}
	}
	well := network(web.URL, key.Public())
	running := make(map[string]*clitest.Running)
	for _, n := range nodes {
		running[n.name] = b.Run(t, n.program, n.name, well[:6]...)
		running[n.name].Says(t, `"status":"`, 1)
	}
	running["requester"] = b.Run(t, "network-requester", "requester", append(well, "--allow", host)...)
	requester := []string{"--requester", running["requester"].Line(t)}

	finds := func(want string, flags ...string) {
		t.Helper()
		began := time.Now()
		out, err := b.Try(t, "nym-socks5", "doctor", append([]string{"doctor"}, append(flags, requester...)...)...)
		t.Logf("%s\n(after %v)", out, time.Since(began).Round(time.Millisecond))
		if (err == nil) == strings.Contains(want, "WRONG") || !strings.Contains(out, want) {
			t.Errorf("it says (%v), want %q in it:\n%s", err, want, out)
		}
	}
	finds("stream     fine", append(well, "--patient")...)
	finds("stream     fine", append(well, "--patient", "--target", host)...)
	finds("stream     WRONG: the requester's rules do not allow this target", append(well, "--patient", "--target", "forbidden.example.org:443")...)
	finds("directory  WRONG", network(web.URL, keys.NewIdentityKey().Public())...)
	finds("directory  WRONG: the clock of this machine, or of the directory, is wrong", network(old.URL, key.Public())...)
	finds("directory  WRONG: directory http://"+closed.Addr().String()+": connection refused", network("http://"+closed.Addr().String()+"/", key.Public())...)
	for _, fault := range []struct{ ends, want string }{
		{"requester", "requester  WRONG: requester "},
		{"mix2", "loops      WRONG: the gateway takes packets, and of "},
		{"gateway1 gateway2", "gateway    WRONG: no gateway can be reached: "},
	} {
		for name := range strings.FieldsSeq(fault.ends) {
			running[name].End(t)
			delete(running, name)
		}
		finds(fault.want, well...)
	}
	for _, r := range running {
		r.End(t)
	}
}
