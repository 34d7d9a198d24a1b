package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"nym-socks5/internal/clitest"
)

// A network of the programs of version 1, with settings and state as those left
// them, starts with the programs of today: everybody has the same address and the
// same gateways, the gateways know their clients, and mail is still there.
func TestStateOfVersion1StillStarts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it listens at an address that only Linux has by itself")
	}
	const (
		bob       = "2CvMYfWpvFVJGRw2mAUcQmxYsrtsMyAiJuW32WvoNoi2.CW8Xg6HnAu4jEoyqhdp5psu6BAmRE2mpEi6AFbYATTKK@39Cn7hMP8jyrDMDKirBiAcoYsicY7E8bdcTHq4zGSAzf"
		requester = "2fxUTCXz5pgi85FWyeGRRBiBvLLoS5NXSZGERno6MaKR.DXYmnzR7vAA8aSjLTMk8DMg652jt4oiJRqmA2iMztdsL@39Cn7hMP8jyrDMDKirBiAcoYsicY7E8bdcTHq4zGSAzf"
		directory = "--network testnet --directory http://127.83.77.1:21100/api/ --directory-key G255SN9jMp3XGKDvJdV7AfQHBc5gYtZrxoG5h5jtTeNU"
		gateways  = "39Cn7hMP8jyrDMDKirBiAcoYsicY7E8bdcTHq4zGSAzf  preferred\n75SUUSnv3B3xcZqR4QAWXfTDbZanZPrVpAhC3AyUr21M  fallback\n"
	)
	b := clitest.NewTestbed(t, "../...")
	unpack(t, "testdata/version1.tar.gz", b.Path(""))

	// What looks at a profile converts it too.
	if got := string(b.Do(t, "nym-socks5", "socks", "gateways", "list")); got != gateways {
		t.Errorf("gateways of the proxy:\n%swant\n%s", got, gateways)
	}
	all := make(map[string]*clitest.Running)
	listed := []string{"--topology", b.Path("topology.json")}
	fast := append(listed, "--hop-delay", "off", "--send-every", "off", "--cover-every", "off")
	start := func(program, name string, flags ...string) *clitest.Running {
		r := b.Run(t, program, name, flags...)
		all[name] = r
		return r
	}
	for _, name := range []string{"mix1", "mix2", "mix3"} {
		start("mixnode", name, listed...).Says(t, `"status":"mixing"`, 1)
	}
	for _, name := range []string{"gateway1", "gateway2"} {
		start("gateway", name, listed...).Says(t, `"status":"serving clients"`, 1)
	}
	page := strings.Repeat("still there ", 100)
	host := clitest.Serve(t, page)
	if got := start("network-requester", "requester", "--allow", host).Line(t); got != requester {
		t.Errorf("the requester's address is %s, was %s", got, requester)
	}
	ws, _, err := websocket.Dial(t.Context(), start("nym-client", "bob", append(fast, "--listen", "127.0.0.1:0")...).Line(t), &websocket.DialOptions{Subprotocols: []string{"nym.text"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	c := &nymClient{Running: all["bob"], ws: ws}
	c.receives(t, "kept since version 1")
	if got := string(b.Do(t, "nym-client", "bob", "details")); !strings.Contains(got, bob) {
		t.Errorf("bob is\n%s, was %s", got, bob)
	}
	if got, err := clitest.Fetch(start("nym-socks5", "socks", append(fast, "--listen", "127.0.0.1:0", "--requester", requester)...).Line(t), host); got != page || err != nil {
		t.Errorf("through the proxy: %d bytes, %v", len(got), err)
	}
	if got := start("directory", "directory").Line(t); got != directory {
		t.Errorf("the directory says %s, said %s", got, directory)
	}
	start("mixnode", "registered").Says(t, `"lease held"`, 1)

	// hardening.md H36: "Retired Sphinx keys are ... removed from disk"; copies of
	// others would stay there too.
	for _, name := range []string{"socks/gateways", "socks/identity-2.pem", "bob/gateway", "registered/sphinx-ring.pem", "mix1/sphinx-in-use"} {
		if _, err := os.Stat(b.Path(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there, %v", name, err)
		}
	}
	for name, r := range all {
		if strings.Contains(r.Logged(), "new profile") {
			t.Errorf("%s drew new keys", name)
		}
		r.End(t)
	}
}

// unpack unpacks an archive of a network into a folder, which it writes into the
// settings.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if h.FileInfo().IsDir() {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".toml") {
			b = bytes.ReplaceAll(b, []byte("/tmp/gen"), []byte(dir))
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
