package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/internal/clitest"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/session"
)

// A network says what processes to run.
type network struct {
	// allow is the one rule of the requester. If empty, it is one that
	// nobody asks for.
	allow string
	// epoch is the length of an epoch. After each second one the nodes change
	// their Sphinx keys, and keep the old ones for another. If zero, they do not
	// while the test runs.
	epoch time.Duration
}

// programs gives the folder where ours are, built once.
func programs(t *testing.T) string {
	t.Helper()
	building.Do(func() {
		if built, errBuilt = os.MkdirTemp("", "interop-"); errBuilt != nil {
			return
		}
		build := exec.Command("go", "build", "-o", built+string(filepath.Separator), "./cmd/...")
		build.Dir = ".." // its own module
		if out, err := build.CombinedOutput(); err != nil {
			errBuilt = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if errBuilt != nil {
		t.Fatal(errBuilt)
	}
	return built
}

var (
	building sync.Once
	built    string // the folder, which TestMain removes; empty: there is none
	errBuilt error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// runPrograms runs each node, the directory, a requester and a SOCKS port as a
// process of its own, until the test ends; then all of them must end in order.
func runPrograms(t *testing.T, n network) *world {
	t.Helper()
	bin := programs(t)
	dir := filepath.Join(t.TempDir(), "net")
	if n.epoch != 0 {
		n.initDirectory(t, bin, dir)
	}
	if n.allow == "" {
		n.allow = "example.com:443"
	}
	r := clitest.Start(t, "localnet", patience, filepath.Join(bin, "localnet"),
		"run", "--processes", "--programs", bin, "--dir", dir, "--profile", "fast",
		"--socks", "127.0.0.1:0", "--directory", "127.0.0.1:0", "--allow", n.allow)
	w := &world{dir: dir}
	said := regexp.MustCompile(`^(directory|requester) +(\S+)`)
	for w.api == "" || w.requester == "" {
		switch m := said.FindStringSubmatch(r.Line(t)); {
		case m == nil:
		case m[1] == "directory":
			w.api = m[2]
		default:
			w.requester = m[2]
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			logs(t, filepath.Join(dir, "log"))
		}
		r.End(t)
	})

	// Our client asks the same lists that Nym's does.
	web := dirhttp.New(nil)
	t.Cleanup(web.Close)
	lists, err := directory.NewClient(directory.ClientConfig{Fetch: web.Fetch, URLs: []string{w.api}, Refresh: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	run(t, "directory client", lists.Run)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if w.network, err = lists.Network(ctx); err != nil {
		t.Fatal(err)
	}
	w.newClient = func(cfg client.Config) (*client.Client, error) {
		cfg.Topology, cfg.Refresh = lists.Network, time.Second
		cfg.Dial = func(ctx context.Context, url string) (session.MessageConn, error) {
			return session.Dial(ctx, url, new(net.Dialer).DialContext)
		}
		return client.New(cfg)
	}
	return w
}

// initDirectory makes the directory's profile where localnet finds it.
func (n network) initDirectory(t *testing.T, bin, dir string) {
	t.Helper()
	etc, state := filepath.Join(dir, "etc"), filepath.Join(dir, "state")
	if err := errors.Join(os.MkdirAll(etc, 0o700), os.MkdirAll(state, 0o700)); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // a free port
	out, err := exec.Command(filepath.Join(bin, "directory"), "init",
		"--config", filepath.Join(etc, "directory.toml"), "--state-dir", filepath.Join(state, "directory"),
		"--network", "localnet", "--listen", ln.Addr().String(), "--period", "1s",
		"--epoch", n.epoch.String(), "--rotation-epochs", "2").CombinedOutput()
	if err != nil {
		t.Fatalf("directory init: %v\n%s", err, out)
	}
}

// logs shows the end of each log in a folder.
func logs(t *testing.T, dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, name := range names {
		text, _ := os.ReadFile(name)
		t.Logf("%s:\n%s", filepath.Base(name), tail(strings.TrimSpace(string(text)), 20))
	}
}
