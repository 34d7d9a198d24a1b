package fleet

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nym-socks5/config"
)

const threeHosts = `
network = "testnet"
[[host]]
name = "a"
address = "203.0.113.1"
directory = true
mixnodes = 1
gateways = 1
[[host]]
name = "b"
address = "2001:db8::2"
mixnodes = 2
[[host]]
name = "c"
address = "203.0.113.3"
gateways = 1
requesters = 1
socks = true
clients_port = 443
`

// tlsHosts are further ones, whose gateways clients reach over TLS.
const tlsHosts = `
[[host]]
name = "d"
address = "203.0.113.4"
gateways = 1
hostname = "gw.example.org"
acme = true
acme_email = "me@example.org"
[[host]]
name = "e"
address = "203.0.113.5"
gateways = 2
hostname = "two.example.org"
tls_certificate = "/etc/ssl/two.pem"
tls_key = "/etc/ssl/two.key"
clients_tls_port = 9443
`

// written writes the hosts into a folder.
func written(t *testing.T, dir, hosts string) error {
	t.Helper()
	h, err := config.ParseHosts([]byte(hosts))
	must(t, err)
	return Write(t.Context(), HostsSpec{
		Dir: dir, Programs: found(t), Hosts: h,
		Rules: Rules{Allow: []string{"allow example.org:443"}}, Sample: "https://example.org/",
	})
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hosts")
	must(t, written(t, dir, threeHosts+tlsHosts))

	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, filepath.ToSlash(rel))
		info, err := d.Info()
		if err != nil {
			return err
		}
		// hardening.md H36: "Key files readable by others are refused".
		if strings.Contains(rel, "state") && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", rel, info.Mode())
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(filepath.Dir(dir))) {
			t.Errorf("%s names a folder of this machine", rel)
		}
		return err
	})
	must(t, err)
	all := " " + strings.Join(files, " ") + " "
	for _, want := range []string{
		"a/start", "a/README", "a/etc/directory.toml", "a/etc/mix-1.toml", "a/etc/gateway-1.toml",
		"a/state/directory/members", "a/units/testnet-directory.service", "b/etc/mix-2.toml", "b/etc/mix-3.toml",
		"b/state/mix-3/sphinx.pem", "c/etc/gateway-2.toml", "c/etc/requester-1.toml", "c/etc/socks.toml", "c/units/testnet-socks.service",
	} {
		if !strings.Contains(all, " "+want+" ") {
			t.Errorf("%s is missing", want)
		}
	}

	load := func(file string, c config.Config) {
		t.Helper()
		must(t, config.Load(filepath.Join(dir, file), c))
		must(t, errors.Join(c.Check(), c.Missing()))
	}
	d := config.NewDirectory()
	load("a/etc/directory.toml", d)
	if d.List.URL != "http://203.0.113.1:8080/api/" || d.List.Listen.String() != "0.0.0.0:8080" {
		t.Errorf("the directory is %+v", d.List)
	}
	mix := config.NewMixnode()
	load("b/etc/mix-3.toml", mix)
	if mix.Mix.Listen.String() != "[::]:1790" || mix.Mix.Announce.String() != "[2001:db8::2]:1790" || !mix.Registration.Register {
		t.Errorf("mix-3 is %+v", mix)
	}
	gw := config.NewGateway()
	load("a/etc/gateway-1.toml", gw)
	if gw.Mix.Announce.String() != "203.0.113.1:1790" || gw.Clients.Listen.String() != "0.0.0.0:9000" {
		t.Errorf("gateway-1 is %+v", gw)
	}
	req := config.NewRequester()
	load("c/etc/requester-1.toml", req)
	if len(req.Egress.Allow) != 1 || req.Client.Gateway == "" {
		t.Errorf("the requester is %+v", req)
	}
	front := config.NewSOCKS()
	load("c/etc/socks.toml", front)
	if !strings.HasSuffix(strings.Join(front.Front.Requester, " "), "@"+req.Client.Gateway) || front.Network.Directories[0] != d.List.URL || front.Network.Key == "" {
		t.Errorf("the proxy is %+v", front)
	}
	members, err := os.ReadFile(filepath.Join(dir, "a/state/directory/members"))
	must(t, err)
	for role, want := range map[string]int{"mixnode": 3, "gateway": 5, "requester": 1} {
		if got := strings.Count(string(members), " "+role+"\n"); got != want {
			t.Errorf("%d members are %s, want %d", got, role, want)
		}
	}

	// Only who listens on a port below 1024 may.
	for file, want := range map[string]string{
		"a/units/testnet-gateway-1.service": "AmbientCapabilities=\n",
		"c/units/testnet-gateway-2.service": "AmbientCapabilities=CAP_NET_BIND_SERVICE\n",
		"d/units/testnet-gateway-3.service": "AmbientCapabilities=CAP_NET_BIND_SERVICE\n",
	} {
		unit, err := os.ReadFile(filepath.Join(dir, file))
		must(t, err)
		if !strings.Contains(string(unit), want) || !strings.Contains(string(unit), "/usr/local/bin/gateway run --id testnet-gateway-") {
			t.Errorf("%s lacks %q:\n%s", file, want, unit)
		}
	}

	// Units find settings where commands given by hand do.
	unit, err := os.ReadFile(filepath.Join(dir, "c/units/testnet-requester-1.service"))
	must(t, err)
	readme, err := os.ReadFile(filepath.Join(dir, "c/README"))
	must(t, err)
	for _, want := range []string{
		"cp etc/requester-1.toml /etc/nym-socks5/network-requester/testnet-requester-1.toml",
		"cp -a state/requester-1 /var/lib/nym-socks5/network-requester/testnet-requester-1",
		"network-requester check-config --id testnet-requester-1",
	} {
		if !strings.Contains(string(readme), want) {
			t.Errorf("README lacks %q:\n%s", want, readme)
		}
	}
	if !strings.Contains(string(unit), "ConfigurationDirectory=nym-socks5/network-requester\n") || !strings.Contains(string(unit), "StateDirectory=nym-socks5/network-requester\n") {
		t.Errorf("the unit looks elsewhere:\n%s", unit)
	}

	// Over TLS a gateway has a name, and a certificate by ACME or from files.
	tls := config.NewGateway()
	load("d/etc/gateway-3.toml", tls)
	if c := tls.Clients; c.Hostname != "gw.example.org" || c.TLSListen.Port() != 443 || !c.ACME || c.ACMEListen.IsValid() || c.ACMEEmail != "me@example.org" {
		t.Errorf("a gateway with ACME: %+v", c)
	}
	tls = config.NewGateway()
	load("e/etc/gateway-5.toml", tls)
	if c := tls.Clients; c.Hostname != "two.example.org" || c.TLSListen.Port() != 9444 || c.Certificate != "/etc/ssl/two.pem" || c.Key != "/etc/ssl/two.key" {
		t.Errorf("a gateway with files of a certificate: %+v", c)
	}

	// It is no network for one machine.
	_, err = Make(t.Context(), Spec{Dir: filepath.Join(dir, "a"), Programs: found(t)})
	wantError(t, err, "holds the network testnet")

	// Nothing is ever written over.
	wantError(t, written(t, dir, threeHosts), "is not empty, and nothing was changed")
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	wrong := strings.Replace(threeHosts, "testnet", "Test Net!", 1)
	dir := filepath.Join(t.TempDir(), "hosts")
	wantError(t, written(t, dir, wrong), "host a: fleet: directory")
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	empty := t.TempDir()
	wantError(t, written(t, empty, wrong), "host a: fleet: directory")
	if left, err := os.ReadDir(empty); len(left) != 0 || err != nil {
		t.Errorf("%v is left, %v", left, err)
	}
}

// A stage is a host's folder whose programs are scripts.
type stage struct {
	dir    string
	cmd    *exec.Cmd
	errOut bytes.Buffer
}

// newStage has programs that count in log/ how often they were started. They
// end as the case statements say, or else when asked to; pauses take no time.
func newStage(t *testing.T, cases string) *stage {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "hosts")
	must(t, written(t, dir, strings.ReplaceAll(threeHosts, "mixnodes = 2", "mixnodes = 2\nrequesters = 1")))
	s := &stage{dir: filepath.Join(dir, "b")}
	bin := filepath.Join(s.dir, "bin")
	must(t, os.Mkdir(bin, 0o700))
	program := "#!/bin/sh\ntrap 'exit 0' TERM\nid=$(basename \"$3\" .toml)\necho x >>\"$(dirname \"$0\")/../log/$id.starts\"\n" +
		"case $id in\n" + cases + "\nesac\nwhile :; do /bin/sleep 0.01; done\n"
	for _, name := range []string{"mixnode", "network-requester"} {
		must(t, os.WriteFile(filepath.Join(bin, name), []byte(program), 0o700))
	}
	must(t, os.WriteFile(filepath.Join(bin, "sleep"), []byte("#!/bin/sh\n"), 0o700))
	// In PATH is what the scripts use, and no program of a network that was
	// installed on this machine.
	tools := t.TempDir()
	for _, name := range []string{"basename", "dirname", "mkdir"} {
		path, err := exec.LookPath(name)
		must(t, err)
		must(t, os.Symlink(path, filepath.Join(tools, name)))
	}
	s.cmd = exec.Command(filepath.Join(s.dir, "start"))
	s.cmd.Env = append(os.Environ(), "PATH="+tools)
	s.cmd.Stderr = &s.errOut
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.Cleanup(func() {
		if s.cmd.Process != nil {
			syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			s.cmd.Wait()
		}
	})
	return s
}

// starts waits until a part was started n times.
func (s *stage) starts(t *testing.T, part string, n int) {
	t.Helper()
	late := time.After(patience)
	for tick := time.Tick(5 * time.Millisecond); ; {
		if b, err := os.ReadFile(filepath.Join(s.dir, "log", part+".starts")); err == nil && len(b) >= 2*n {
			return
		}
		select {
		case <-tick:
		case <-late:
			t.Fatalf("%s was not started %d times\n%s", part, n, s.errOut.String())
		}
	}
}

// wait waits for the end.
func (s *stage) wait(t *testing.T) error {
	t.Helper()
	late := time.AfterFunc(patience, func() { s.cmd.Process.Kill() })
	defer late.Stop()
	return s.cmd.Wait()
}

func TestStartScript(t *testing.T) {
	for name, end := range map[string]func(pid int) error{
		"TERM to the script":             func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
		"INT to all, as a terminal does": func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) },
		"TERM to all":                    func(pid int) error { return syscall.Kill(-pid, syscall.SIGTERM) },
		"INT to all, with bash":          func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, "mix-3) echo unlucky; exit 2 ;;")
			if bash, err := exec.LookPath("bash"); err == nil && strings.HasSuffix(name, "bash") {
				s.cmd.Path, s.cmd.Args = bash, append([]string{bash}, s.cmd.Args...) // other shells have other signals
			}
			must(t, s.cmd.Start())
			s.starts(t, "mix-2", 1)
			s.starts(t, "requester-1", 1)
			s.starts(t, "mix-3", 4) // again and again
			must(t, end(s.cmd.Process.Pid))
			if err := s.wait(t); err != nil {
				t.Errorf("ended with %v, want exit code 0", err)
			}
			if err := syscall.Kill(-s.cmd.Process.Pid, 0); err == nil {
				t.Error("something still runs")
			}
			if !strings.Contains(s.errOut.String(), "start: mix-3 ended with exit code 2; see ") {
				t.Errorf("it says\n%s", s.errOut.String())
			}
			if log, err := os.ReadFile(filepath.Join(s.dir, "log", "mix-3.log")); !strings.HasPrefix(string(log), "unlucky\nunlucky\n") {
				t.Errorf("the log is %q, %v", log, err)
			}
		})
	}
}

// Where nothing is left to run, that is a failure; wrong settings are not tried again.
func TestStartScriptEndsByItself(t *testing.T) {
	s := newStage(t, "*) exit 78 ;;")
	must(t, s.cmd.Start())
	if err := s.wait(t); err == nil {
		t.Error("ended with exit code 0")
	}
	for _, part := range []string{"mix-2", "mix-3", "requester-1"} {
		if b, err := os.ReadFile(filepath.Join(s.dir, "log", part+".starts")); string(b) != "x\n" {
			t.Errorf("%s was started %q, %v", part, b, err)
		}
	}
}

func TestStartScriptWantsPrograms(t *testing.T) {
	s := newStage(t, "")
	must(t, os.Remove(filepath.Join(s.dir, "bin", "mixnode")))
	must(t, s.cmd.Start())
	if err := s.wait(t); err == nil || !strings.Contains(s.errOut.String(), "start: the program mixnode is neither in ") {
		t.Errorf("ended with %v\n%s", err, s.errOut.String())
	}
}
