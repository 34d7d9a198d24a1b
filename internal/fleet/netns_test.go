//go:build netns

package fleet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nym-socks5/config"
)

// A lab is a set of network namespaces, each with one address, on one bridge.
type lab struct{ prefix string }

// newLab makes a namespace for each host of 10.99.0.0/24, which go with the test.
func newLab(t *testing.T, hosts map[string]string) *lab {
	t.Helper()
	l := &lab{fmt.Sprintf("fleet%d-", rand.IntN(100_000))}
	add := func(name string) string {
		ip(t, "netns", "add", l.prefix+name)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", l.prefix+name).Run() })
		return l.prefix + name
	}
	bridge := add("switch")
	ip(t, "-n", bridge, "link", "add", "br0", "type", "bridge")
	ip(t, "-n", bridge, "link", "set", "br0", "up")
	for name, addr := range hosts {
		ns := add(name)
		ip(t, "link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", name, "netns", bridge)
		ip(t, "-n", bridge, "link", "set", "dev", name, "master", "br0", "up")
		ip(t, "-n", ns, "addr", "add", addr+"/24", "dev", "eth0")
		ip(t, "-n", ns, "link", "set", "lo", "up")
		ip(t, "-n", ns, "link", "set", "eth0", "up")
	}
	return l
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// command makes a command that runs on a host.
func (l *lab) command(host string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.prefix + host}, args...)...)
	cmd.Env = env
	return cmd
}

// background starts a command, which ends with the test if not before.
func background(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
}

const labHosts = `
network = "lab"
[[host]]
name = "a"
address = "10.99.0.1"
directory = true
mixnodes = 1
gateways = 1
[[host]]
name = "b"
address = "10.99.0.2"
mixnodes = 1
gateways = 1
[[host]]
name = "c"
address = "10.99.0.3"
mixnodes = 1
requesters = 1
socks = true
`

// Three hosts that only the wire connects, each started from the folder that
// Write wrote for it: a page comes from a fourth through the proxy of the third.
func TestNetnsThreeHosts(t *testing.T) {
	hosts, err := config.ParseHosts([]byte(labHosts))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "lab")
	err = Write(t.Context(), HostsSpec{
		Dir: dir, Programs: found(t), Hosts: hosts, Traffic: Nym, Rules: Rules{Allow: []string{"10.99.0.9:8080"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	page := make([]byte, 300_000)
	for i := range page {
		page[i] = byte(rand.Uint32())
	}
	file := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}

	l := newLab(t, map[string]string{"a": "10.99.0.1", "b": "10.99.0.2", "c": "10.99.0.3", "web": "10.99.0.9"})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"8080", "8081"} {
		background(t, l.command("web", as("web", "ADDR=10.99.0.9:"+port, "FILE="+file), self))
	}
	env := append(os.Environ(), "PATH="+built(t)+":"+os.Getenv("PATH"))
	started := make(map[string]*exec.Cmd)
	said := make(map[string]*bytes.Buffer)
	start := func(h string) {
		t.Helper()
		cmd := l.command(h, env, filepath.Join(dir, h, "start"))
		said[h] = new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = said[h], said[h]
		background(t, cmd)
		started[h] = cmd
	}
	for _, h := range []string{"c", "b", "a"} { // the directory last: all wait for it
		start(h)
	}
	defer func() {
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(dir, "*", "log", "*"))
			for _, log := range logs {
				b, _ := os.ReadFile(log)
				t.Logf("%s:\n%s", log, b)
			}
		}
	}()

	fetch := func(port string) ([]byte, error) {
		cmd := l.command("c", os.Environ(), "curl", "-q", "-sS", "--noproxy", "", "--max-time", "60",
			"--socks5-hostname", "127.0.0.1:1080", "http://10.99.0.9:"+port+"/")
		return cmd.Output()
	}
	works := func(after string) {
		t.Helper()
		began := time.Now()
		got, err := fetch("8080")
		for tick := time.Tick(time.Second); err != nil && time.Since(began) < 2*time.Minute; <-tick {
			got, err = fetch("8080")
		}
		if err != nil || !bytes.Equal(got, page) {
			t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(page))
		}
		t.Logf("a page came %v after %s", time.Since(began).Round(time.Second), after)
	}
	works("the start")
	if got, err := fetch("8081"); err == nil {
		t.Errorf("a port that no rule allows gave %d bytes", len(got))
	}

	end := func(h string) {
		t.Helper()
		if err := started[h].Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := started[h].Wait(); err != nil {
			t.Errorf("start on %s: %v, want exit code 0\n%s", h, err, said[h])
		}
		if left := strings.TrimSpace(ip(t, "netns", "pids", l.prefix+h)); left != "" {
			t.Errorf("processes %q are left on %s", left, h)
		}
	}
	end("b") // which has a layer of mixes, and the requester's gateway
	start("b")
	works("host b was started again")
	for _, h := range []string{"c", "b", "a"} {
		end(h)
	}
}
