package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// A fetcher is Nym's mix-fetch, or our page, in a process of its own, connected to a
// network of ours.
type fetcher struct {
	log     *bytes.Buffer
	started <-chan fetched // one event: whether it did

	mu      sync.Mutex
	in      io.Writer
	last    int                    // id of the last request
	waiting map[int]chan<- fetched // of what was asked and not yet answered
}

// A fetch is a request for a fetcher.
type fetch struct {
	ID      int    `json:"id"`
	URL     string `json:"url"`
	Method  string `json:"method"`
	Body    []byte `json:"body,omitempty"`
	Binary  bool   `json:"binary,omitempty"`  // the body is given as bytes, not as text
	Times   int    `json:"times,omitempty"`   // how often; pages only. If zero, once
	Abreast int    `json:"abreast,omitempty"` // how many of them at once. If zero, one
}

// fetched is what came of it: a response, or an error.
type fetched struct {
	Event  string  `json:"event"`
	ID     int     `json:"id"`
	Status int     `json:"status"`
	Type   string  `json:"type"`
	Body   []byte  `json:"body"`
	Error  string  `json:"error"`
	MS     float64 `json:"ms"` // how long it took, in a page
}

// startFetcher runs Node with arguments, which start it, and waits until it
// has. It ends with the test.
func startFetcher(t *testing.T, args ...string) *fetcher {
	t.Helper()
	f := launchFetcher(t, args...)
	if e := await(t, "the start", f.started); e.Event != "ready" {
		t.Fatalf("it does not start: %s", e.Error)
	}
	return f
}

// launchFetcher is startFetcher for one who waits for the start.
func launchFetcher(t *testing.T, args ...string) *fetcher {
	t.Helper()
	cmd := exec.Command("node", args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan fetched, 1)
	f := &fetcher{
		in: in, log: new(bytes.Buffer), started: started,
		waiting: map[int]chan<- fetched{0: started}, // what has no id
	}
	cmd.Stderr = f.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("node does not start: %v", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		f.read(out)
	}()
	t.Cleanup(func() {
		in.Close() // it ends
		late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		<-read
		cmd.Wait() // what it printed says more
		late.Stop()
		if t.Failed() {
			t.Logf("what it printed:\n%s", tail(f.log.String(), 60))
		}
	})
	return f
}

// read hands out what mix-fetch says until it ends, then fails what is open.
func (f *fetcher) read(out io.Reader) {
	gone := "the fetcher is gone"
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e fetched
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = fetched{Event: "error", Error: fmt.Sprintf("%.200q: %v", lines.Text(), err)}
		}
		f.mu.Lock()
		if c := f.waiting[e.ID]; c != nil {
			delete(f.waiting, e.ID)
			c <- e
		} else if e.ID == 0 {
			gone += ": " + e.Error
		}
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in = nil
	for _, c := range f.waiting {
		c <- fetched{Event: "error", Error: gone}
	}
}

// start begins a request.
func (f *fetcher) start(t *testing.T, r fetch) <-chan fetched {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.in == nil {
		t.Fatal("the fetcher is gone")
	}
	f.last++
	r.ID = f.last
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	c := make(chan fetched, 1)
	f.waiting[r.ID] = c
	if _, err := f.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	return c
}

// fetch makes a request and waits for its response.
func (f *fetcher) fetch(t *testing.T, r fetch) fetched {
	t.Helper()
	return answer(t, r.Method+" "+r.URL, f.start(t, r))
}

// fails makes a request that must fail, and gives the error.
func (f *fetcher) fails(t *testing.T, r fetch) string {
	t.Helper()
	e := await(t, r.Method+" "+r.URL, f.start(t, r))
	if e.Event != "error" {
		t.Fatalf("%s %s: %s with status %d, want an error", r.Method, r.URL, e.Event, e.Status)
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
