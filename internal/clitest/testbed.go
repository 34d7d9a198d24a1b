package clitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// Patience is how long a step of a network may take. None takes more than a few
// seconds.
const Patience = time.Minute

// pause is how long is waited between two looks: less than any step takes.
const pause = 5 * time.Millisecond

// Build builds the programs of packages into a folder that is there. Flags of
// go build come before the packages.
func Build(dir string, packages ...string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, packages...)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %q: %w\n%s", args, err, out)
	}
	return nil
}

// A Testbed has programs, and a folder where their instances are: of each its
// settings, NAME.toml, and its state, NAME.
type Testbed struct {
	bin, dir string
	ip       string          // where everything listens
	given    map[string]bool // the addresses of Addr
}

// NewTestbed builds the programs of packages, such as "../mixnode".
func NewTestbed(t *testing.T, packages ...string) *Testbed {
	t.Helper()
	bin := t.TempDir()
	if err := Build(bin, packages...); err != nil {
		t.Fatal(err)
	}
	return NewTestbedOf(t, bin)
}

// NewTestbedOf takes the programs that are in a folder.
func NewTestbedOf(t *testing.T, bin string) *Testbed {
	t.Helper()
	return &Testbed{bin: bin, dir: t.TempDir(), ip: loopback(), given: make(map[string]bool)}
}

// Path is where a file is in the folder of instances.
func (b *Testbed) Path(name string) string { return filepath.Join(b.dir, name) }

// Addr gives an address that is free: the same of this machine each time, and
// each time another port.
func (b *Testbed) Addr(t *testing.T) string {
	t.Helper()
	for {
		at, err := free(b.ip)
		if err != nil {
			t.Fatal(err)
		}
		if !b.given[at] {
			b.given[at] = true
			return at
		}
	}
}

// with adds the flags that choose an instance.
func (b *Testbed) with(instance string, args ...string) []string {
	return append(args, "--config", b.Path(instance+".toml"), "--state-dir", b.Path(instance))
}

// Do runs a program to its end and gives what it printed.
func (b *Testbed) Do(t *testing.T, program, instance string, args ...string) []byte {
	t.Helper()
	var errOut bytes.Buffer
	cmd := exec.Command(filepath.Join(b.bin, program), b.with(instance, args...)...)
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, errOut.String())
	}
	return out
}

// Try runs a program to its end and gives what it printed, whether or not it fails.
func (b *Testbed) Try(t *testing.T, program, instance string, args ...string) (out string, err error) {
	t.Helper()
	text, err := exec.Command(filepath.Join(b.bin, program), b.with(instance, args...)...).CombinedOutput()
	return string(text), err
}

// Init makes an instance, and gives what the program says of itself.
func (b *Testbed) Init(t *testing.T, program, instance string, flags ...string) (details map[string]string) {
	t.Helper()
	b.Do(t, program, instance, append([]string{"init"}, flags...)...)
	if err := json.Unmarshal(b.Do(t, program, instance, "details", "--output", "json"), &details); err != nil {
		t.Fatalf("%s details: %v", program, err)
	}
	return details
}

// Run starts "PROGRAM run", which ends with the test if not before. Failures
// call it by its instance.
func (b *Testbed) Run(t *testing.T, program, instance string, flags ...string) *Running {
	t.Helper()
	args := append([]string{"run", "--log-level", "debug"}, flags...)
	return Start(t, instance, Patience, filepath.Join(b.bin, program), b.with(instance, args...)...)
}

// loopback gives an address of this machine that nobody else uses, where there
// are many.
func loopback() string {
	if runtime.GOOS == "linux" {
		return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	return "127.0.0.1"
}

// free gives an address with a port that nobody listens at.
func free(ip string) (string, error) {
	ln, err := net.Listen("tcp", ip+":0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Serve is a web server that gives a page at every path until the test ends.
func Serve(t *testing.T, page string) (addr string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// Fetch gets the page of a web server through a SOCKS port, which is named by
// its URL.
func Fetch(socks, addr string) (page string, err error) {
	proxy, err := url.Parse(socks)
	if err != nil {
		return "", err
	}
	if proxy.Scheme != "socks5h" {
		return "", fmt.Errorf("clitest: %q is no URL of a SOCKS port", socks)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return "", err
	}
	c := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
