package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A browser is a Chromium with mix-fetch in its one page, connected to a
// network of ours.
type browser struct {
	log *bytes.Buffer

	mu      sync.Mutex
	in      io.Writer
	last    int                    // id of the last request
	waiting map[int]chan<- fetched // of what was asked and not yet answered
}

// A fetch is a request for mix-fetch.
type fetch struct {
	ID     int    `json:"id"`
	URL    string `json:"url"`
	Method string `json:"method"`
	Body   []byte `json:"body,omitempty"`
	Binary bool   `json:"binary,omitempty"` // the body is given as bytes, not as text
}

// fetched is what came of it: a response, or an error.
type fetched struct {
	Event  string `json:"event"`
	ID     int    `json:"id"`
	Status int    `json:"status"`
	Type   string `json:"type"`
	Body   []byte `json:"body"`
	Error  string `json:"error"`
}

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("mix-fetch needs a browser: install Chromium (on Debian: apt-get install chromium)")
	return ""
}

// browser starts mix-fetch with options in the Chromium at path. It ends with the test.
func (w *world) browser(t *testing.T, path string, options map[string]any) *browser {
	t.Helper()
	files := http.NewServeMux()
	files.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) { http.ServeFile(rw, r, "mixfetch.html") })
	files.Handle("GET /mix-fetch/", http.StripPrefix("/mix-fetch", http.FileServer(http.Dir("node_modules/@nymproject/mix-fetch"))))
	page := httptest.NewServer(files)
	t.Cleanup(page.Close)

	opts, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "mixfetch.mjs", path, page.URL, string(opts))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{in: in, log: new(bytes.Buffer), waiting: make(map[int]chan<- fetched)}
	cmd.Stderr = b.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("node does not start: %v", err)
	}
	started := make(chan fetched, 1)
	b.waiting[0] = started // what has no id
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(out)
	}()
	t.Cleanup(func() {
		in.Close() // it closes the browser and ends
		late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		<-read
		cmd.Wait() // what it printed says more
		late.Stop()
		if t.Failed() {
			t.Logf("what the page printed:\n%s", tail(b.log.String(), 60))
		}
	})
	if e := await(t, "the start", started); e.Event != "ready" {
		t.Fatalf("mix-fetch does not start: %s", e.Error)
	}
	return b
}

// read hands out what the browser says until it ends, then fails what is open.
func (b *browser) read(out io.Reader) {
	gone := "the browser is gone"
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e fetched
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = fetched{Event: "error", Error: fmt.Sprintf("%.200q: %v", lines.Text(), err)}
		}
		b.mu.Lock()
		if c := b.waiting[e.ID]; c != nil {
			delete(b.waiting, e.ID)
			c <- e
		} else if e.ID == 0 {
			gone += ": " + e.Error
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.in = nil
	for _, c := range b.waiting {
		c <- fetched{Event: "error", Error: gone}
	}
}

// start begins a request.
func (b *browser) start(t *testing.T, f fetch) <-chan fetched {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.in == nil {
		t.Fatal("the browser is gone")
	}
	b.last++
	f.ID = b.last
	line, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	c := make(chan fetched, 1)
	b.waiting[f.ID] = c
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	return c
}

// fetch makes a request and waits for its response.
func (b *browser) fetch(t *testing.T, f fetch) fetched {
	t.Helper()
	return answer(t, f.Method+" "+f.URL, b.start(t, f))
}

// fails makes a request that must fail, and gives the error.
func (b *browser) fails(t *testing.T, f fetch) string {
	t.Helper()
	e := await(t, f.Method+" "+f.URL, b.start(t, f))
	if e.Event != "error" {
		t.Fatalf("%s %s: %s with status %d, want an error", f.Method, f.URL, e.Event, e.Status)
	}
	return e.Error
}

// answer waits for a response.
func answer(t *testing.T, what string, c <-chan fetched) fetched {
	t.Helper()
	e := await(t, what, c)
	if e.Event != "response" {
		t.Fatalf("%s: %s", what, e.Error)
	}
	return e
}

// await waits for whatever comes of it.
func await(t *testing.T, what string, c <-chan fetched) fetched {
	t.Helper()
	select {
	case e := <-c:
		return e
	case <-time.After(patience + 30*time.Second): // mix-fetch itself gives up after patience
		t.Fatalf("%s: nothing came", what)
	}
	return fetched{}
}
