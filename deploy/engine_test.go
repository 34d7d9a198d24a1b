//go:build engine

package deploy

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// An engine runs the services of compose.yaml as a container engine would, as far
// as they ask for it: from the image, as its user, with its variables, each with a
// network and a tree of mounts of its own.
type engine struct {
	t       *testing.T
	prefix  string // of network namespaces
	root    string // the image, unpacked
	env     []string
	user    string
	dir     string // working directory in it
	volumes string
}

// newEngine unpacks the image that "make image" wrote.
func newEngine(t *testing.T) *engine {
	t.Helper()
	archives, err := filepath.Glob("../dist/*_oci.tar")
	if err != nil || len(archives) != 1 {
		t.Fatalf("make image comes first: there are %v (%v)", archives, err)
	}
	e := &engine{t: t, prefix: fmt.Sprintf("compose%d-", rand.IntN(100_000)), root: t.TempDir(), volumes: t.TempDir()}
	store := t.TempDir()
	f, err := os.Open(archives[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	untar(t, f, store)
	top, err := layout.ImageIndexFromPath(store)
	if err != nil {
		t.Fatal(err)
	}
	tops, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	index, err := top.ImageIndex(tops.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	images, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range images.Manifests {
		if m.Platform.Architecture != runtime.GOARCH {
			continue
		}
		img, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		e.env, e.user, e.dir = cfg.Config.Env, cfg.Config.User, cfg.Config.WorkingDir
		files := mutate.Extract(img)
		defer files.Close()
		untar(t, files, e.root)
	}
	if e.user == "" {
		t.Fatalf("the image has nothing for %s", runtime.GOARCH)
	}
	return e
}

// untar unpacks files and folders, with their modes and owners.
func untar(t *testing.T, from io.Reader, dir string) {
	t.Helper()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			var f *os.File
			if f, err = os.Create(path); err == nil {
				_, err = io.Copy(f, r)
				f.Close()
			}
		}
		if err == nil {
			err = os.Chown(path, h.Uid, h.Gid)
		}
		if err == nil {
			err = os.Chmod(path, fs.FileMode(h.Mode&0o777))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (e *engine) ip(args ...string) {
	e.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		e.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// namespace makes a network namespace, which goes with the test.
func (e *engine) namespace(name string) string {
	e.t.Helper()
	ns := e.prefix + name
	e.ip("netns", "add", ns)
	e.t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	e.ip("-n", ns, "link", "set", "lo", "up")
	return ns
}

// connect gives a namespace an address on the bridge in the namespace hub.
func (e *engine) connect(hub, ns, name, addr string) {
	e.t.Helper()
	e.ip("link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", name, "netns", hub)
	e.ip("-n", hub, "link", "set", "dev", name, "master", "br0", "up")
	e.ip("-n", ns, "addr", "add", addr+"/24", "dev", "eth0")
	e.ip("-n", ns, "link", "set", "eth0", "up")
}

// command makes a command of a service. Its root can be read only where nothing
// is mounted.
func (e *engine) command(ctx context.Context, p *types.Project, s types.ServiceConfig, words []string) *exec.Cmd {
	e.t.Helper()
	var script strings.Builder
	mount := func(from, to, how string) {
		fmt.Fprintf(&script, "mount --bind '%[1]s' '%[2]s%[3]s' && mount -o remount,bind,%[4]s '%[2]s%[3]s'\n", from, e.root, to, how)
	}
	script.WriteString("set -e\n")
	mount(e.root, "", "ro,nosuid,nodev")
	for _, dir := range []string{"/dev", "/proc"} {
		fmt.Fprintf(&script, "mount --rbind %[1]s '%[2]s%[1]s'\n", dir, e.root)
	}
	for _, v := range s.Volumes {
		from := filepath.Join(e.volumes, v.Source)
		if v.Volume != nil {
			from = filepath.Join(from, v.Volume.Subpath)
		}
		mount(from, v.Target, "rw,nosuid,nodev")
	}
	for _, c := range s.Configs {
		file := filepath.Join(e.volumes, "config-"+c.Source)
		if err := os.WriteFile(file, []byte(p.Configs[c.Source].Content), 0o644); err != nil {
			e.t.Fatal(err)
		}
		mount(file, c.Target, "ro,nosuid,nodev")
	}
	env := e.env
	for name, value := range s.Environment {
		env = append(env[:len(env):len(env)], name+"="+*value)
	}
	chroot, err := exec.LookPath("chroot") // not in the PATH of the image
	if err != nil {
		e.t.Fatal(err)
	}
	script.WriteString(`exec ` + chroot + ` --userspec=` + e.user + ` '` + e.root + `' "$@"` + "\n")
	// No shell in there, so the working directory is set by the one that there is out here.
	args := []string{"netns", "exec", e.prefix + s.Name, "unshare", "--mount", "--ipc", "--uts", "sh", "-c", script.String(), "sh"}
	args = append(args, "/usr/bin/enter", e.dir)
	cmd := exec.CommandContext(ctx, "ip", append(args, words...)...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// TestEngine runs all of compose.yaml, and fetches a page through it twice: before and
// after all services were stopped and started.
func TestEngine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make namespaces")
	}
	e := newEngine(t)
	p, err := load(t, "10.99.77.200:8000")
	if err != nil {
		t.Fatal(err)
	}
	// What an engine makes of itself: places to mount on, and a volume that begins as
	// the folder of the image that it is mounted on.
	for _, dir := range []string{"dev", "proc"} {
		if err := os.MkdirAll(filepath.Join(e.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(e.root, "hosts.toml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(e.root, "usr/bin"), os.DirFS(built(t))); err != nil {
		t.Fatal(err)
	}
	for name := range p.Volumes {
		dir := filepath.Join(e.volumes, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("chown", e.user, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if err := os.Chmod(e.volumes, 0o755); err != nil {
		t.Fatal(err)
	}

	hub := e.namespace("hub")
	e.ip("-n", hub, "link", "add", "br0", "type", "bridge")
	e.ip("-n", hub, "link", "set", "br0", "up")
	for name, s := range p.Services {
		ns := e.namespace(name)
		if s.NetworkMode != "none" {
			e.connect(hub, ns, name, s.Networks["mixnet"].Ipv4Address)
		}
	}
	web := e.namespace("web")
	e.connect(hub, web, "web", "10.99.77.200")
	serve := exec.Command("ip", "netns", "exec", web, os.Args[0], "-test.run=^TestWebServer$")
	serve.Env = append(os.Environ(), "WEB=10.99.77.200:8000")
	serve.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Wait()
	defer serve.Process.Kill()

	for range 2 {
		write := p.Services["write"]
		if out, err := e.command(t.Context(), p, write, write.Command).CombinedOutput(); err != nil {
			t.Fatalf("write: %v\n%s", err, out)
		} else {
			t.Logf("write: %s", out)
		}
		e.upAndDown(p, func() {
			fetch := exec.Command("ip", "netns", "exec", web, "curl", "-fsS", "--max-time", "60",
				"--socks5-hostname", p.Services["socks"].Networks["mixnet"].Ipv4Address+":1080", "http://10.99.77.200:8000/")
			out, err := fetch.CombinedOutput()
			if err != nil || string(out) != page {
				t.Errorf("the page is %q, %v", out, err)
			}
		})
	}
}

// upAndDown runs all services but the one that writes, and when all are healthy does
// something; then it asks them to end.
func (e *engine) upAndDown(p *types.Project, do func()) {
	t := e.t
	t.Helper()
	running := make(map[string]*exec.Cmd)
	said := make(map[string]*bytes.Buffer)
	defer func() {
		for name, cmd := range running {
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s ended with %v", name, err)
			}
		}
		for name, b := range said {
			if t.Failed() {
				t.Logf("%s:\n%s", name, b)
			}
			if strings.Contains(b.String(), `"level":"error"`) {
				t.Errorf("%s logged an error:\n%s", name, b)
			}
		}
	}()
	for name, s := range p.Services {
		if name == "write" {
			continue
		}
		cmd := e.command(t.Context(), p, s, s.Command)
		said[name] = new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = said[name], said[name]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running[name] = cmd
	}
	deadline := time.Now().Add(2 * time.Minute)
	for name, s := range p.Services {
		if s.HealthCheck == nil {
			continue
		}
		for {
			out, err := e.command(t.Context(), p, s, s.HealthCheck.Test[1:]).CombinedOutput()
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not healthy: %v\n%s", name, err, out)
			}
			time.Sleep(time.Second)
		}
	}
	for !strings.Contains(said["socks"].String(), "socks5h://") || !strings.Contains(said["requester"].String(), `"connected"`) {
		if time.Now().After(deadline) {
			t.Fatal("the network is not complete")
		}
		time.Sleep(time.Second)
	}
	do()
}

// page is what the web server serves.
const page = "a page"

// TestWebServer is no test but, where WEB says so, a web server in a process of its own.
func TestWebServer(t *testing.T) {
	at := os.Getenv("WEB")
	if at == "" {
		t.Skip("not asked for")
	}
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
}

// built builds the program that enters the working directory of an image: chroot
// has no flag for that.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "enter"), "./testdata/enter")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}
