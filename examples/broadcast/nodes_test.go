package broadcast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a step with a real node may take: mining on a busy machine is slow.
const patience = 5 * time.Minute

// A gate stands before a node.
type gate struct {
	to   *httputil.ReverseProxy
	mu   sync.Mutex
	mode mode
	held chan struct{} // closed when the calls that are held may go on
	sent int           // calls that brought a transaction
}

type mode int

const (
	open    mode = iota
	cut          // connections are closed
	rubbish      // an error page, and the node hears nothing
	huge         // an answer without end, and the node hears nothing
	lost         // the node hears and answers, and nobody hears that
	slow         // the node hears; its answer waits
)

// newGate puts a gate before the node at an address.
func newGate(t *testing.T, addr string) (*gate, string) {
	t.Helper()
	g := &gate{to: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})}
	g.to.ErrorLog = nil
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return g, s.URL
}

func (g *gate) set(m mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		close(g.held)
		g.held = nil
	}
	if g.mode = m; m == slow {
		g.held = make(chan struct{})
	}
}

// transactions counts the calls that brought one.
func (g *gate) transactions() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sent
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	m, held := g.mode, g.held
	if strings.Contains(string(body)+r.URL.Path, "endrawtransaction") || strings.Contains(string(body), "eth_sendRawTransaction") {
		g.sent++
	}
	g.mu.Unlock()
	switch m {
	case open:
		g.to.ServeHTTP(w, r)
	case rubbish:
		http.Error(w, "<html><h1>Welcome to nginx!</h1></html>", http.StatusOK)
	case huge:
		for i := 0; i < 64; i++ {
			if _, err := w.Write(bytes.Repeat([]byte("[1,"), 1<<16)); err != nil {
				return
			}
		}
	case slow:
		answer := httptest.NewRecorder()
		g.to.ServeHTTP(answer, r)
		<-held
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	case cut, lost:
		if m == lost {
			g.to.ServeHTTP(httptest.NewRecorder(), r)
		}
		panic(http.ErrAbortHandler)
	}
}

// rpc calls a node itself, as the one who runs it does.
func rpc(t *testing.T, addr, path, auth, method string, params ...any) json.RawMessage {
	t.Helper()
	out, err := tryRPC(patience, addr, path, auth, method, params...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryRPC(within time.Duration, addr, path, auth, method string, params ...any) (json.RawMessage, error) {
	var p any = params
	if len(params) == 0 {
		p = []any{}
	} else if m, ok := params[0].(map[string]any); ok { // as Monero's nodes want them
		p = m
	}
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": p})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if user, password, ok := strings.Cut(auth, ":"); ok {
		req.SetBasicAuth(user, password)
	}
	req.Header.Set("Content-Type", "application/json")
	c := http.Client{Timeout: within}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var m struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: status %d: %w", method, resp.StatusCode, err)
	}
	if len(m.Error) > 0 && string(m.Error) != "null" {
		return nil, fmt.Errorf("%s: %s", method, m.Error)
	}
	return m.Result, nil
}

// await waits until a node answers a call.
func await(t *testing.T, ended <-chan struct{}, addr, path, auth, method string, params ...any) {
	t.Helper()
	var err error
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range int(patience / (200 * time.Millisecond)) {
		if _, err = tryRPC(patience, addr, path, auth, method, params...); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("the node at %s has ended: %v", addr, err)
		}
	}
	t.Fatalf("%s does not answer: %v", addr, err)
}

// installed finds a program of this machine.
func installed(t *testing.T, name, hint string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: %s", name, hint)
	}
	return path
}

// node starts the program of a node, which ends with the test. It gives what is closed if
// it ends before.
func node(t *testing.T, name, path string, args ...string) (ended <-chan struct{}) {
	t.Helper()
	said, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // anvil is a script that starts the program
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		cmd.Wait()
		close(over)
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-over
		if b, _ := os.ReadFile(said.Name()); t.Failed() {
			t.Logf("%s says at its end:\n%s", name, b[max(0, len(b)-2000):])
		}
		said.Close()
	})
	return over
}

// folder makes one for a node.
func folder(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
