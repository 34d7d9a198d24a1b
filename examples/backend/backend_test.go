package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"nym-socks5/allowlist"
	"nym-socks5/endpoint"
	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	mixclient "nym-socks5/mixnet/client"
)

func newAPI(t *testing.T, path string) *api {
	t.Helper()
	a, err := openAPI(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.db.Close() })
	return a
}

func TestAPI(t *testing.T) {
	h := newAPI(t, filepath.Join(t.TempDir(), "votes.db")).handler()
	id := strings.Repeat("0a", 16)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/v1/ballots/" + id, `{"option":"tea"}`, 200},
		{"PUT", "/v1/ballots/" + id, `{"option":"tea"}`, 200}, // again
		{"PUT", "/v1/ballots/" + id, `{"option":"water"}`, 409},
		{"PUT", "/v1/ballots/" + strings.Repeat("0b", 16), `{"option":"wine"}`, 422},
		{"PUT", "/v1/ballots/" + id, `{"option":"tea","twice":true}`, 400},
		{"PUT", "/v1/ballots/" + id, ``, 400},
		{"PUT", "/v1/ballots/x", `{"option":"tea"}`, 400},
		{"PUT", "/v1/ballots/" + strings.ToUpper(id), `{"option":"tea"}`, 400},
		{"POST", "/v1/ballots/" + id, `{"option":"tea"}`, 405},
		{"GET", "/v1/result", ``, 200},
		{"GET", "/", ``, 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, w.Code, w.Body, c.status)
		}
		if c.path == "/v1/result" && w.Body.String() != `{"votes":{"coffee":0,"tea":1,"water":0}}`+"\n" {
			t.Errorf("result: %s", w.Body)
		}
	}
}

// Through a requester that may connect to the API and to nothing else; the API is
// restarted in between.
func TestThroughRequester(t *testing.T) {
	path := filepath.Join(t.TempDir(), "votes.db")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := ln.Addr().String()
	start := func(ln net.Listener) (stop func()) {
		a, ctx := newAPI(t, path), context.Background()
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- a.serve(ctx, ln) }()
		return func() {
			cancel()
			if err := errors.Join(<-ended, a.db.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	stop := start(ln)

	rules, err := allowlist.ParseFlags([]string{at})
	if err != nil {
		t.Fatal(err)
	}
	network, err := localnet.New(localnet.Spec{Traffic: mixclient.Fast(), Allow: rules.Allow})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error)
	go func() { ended <- network.Run(ctx) }()
	<-network.Ready()
	e, err := network.Join(ctx, endpoint.Config{Requesters: []mixnet.Recipient{network.Requester()}})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(e, "http://"+at+"/")
	for _, o := range []string{"tea", "water", "tea"} {
		if err := c.vote(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.vote(ctx, "wine"); err == nil || !strings.Contains(err.Error(), "option is one of [tea coffee water]") {
		t.Errorf("a vote for what is no option: %v", err)
	}
	stop()
	c.again = 50 * time.Millisecond
	voted := make(chan error)
	go func() { voted <- c.vote(ctx, "coffee") }() // asks until the API is there again
	if ln, err = net.Listen("tcp", at); err != nil {
		t.Fatal(err)
	}
	stop = start(ln)
	if err := <-voted; err != nil {
		t.Error(err)
	}
	want := result{map[string]int{"tea": 2, "coffee": 1, "water": 1}}
	if got, err := c.result(ctx); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	stop()

	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the requester connects to something else") }))
	defer other.Close()
	c = newClient(e, other.URL)
	if _, err := c.result(ctx); err == nil || !strings.Contains(err.Error(), "allowlist") {
		t.Errorf("another server: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFull(t *testing.T) {
	a := newAPI(t, filepath.Join(t.TempDir(), "votes.db"))
	tx, err := a.db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tx.Bucket(bucket).SetSequence(maxBallots-1), tx.Commit()); err != nil {
		t.Fatal(err)
	}
	if err := a.vote("a", ballot{"tea"}); err != nil {
		t.Error(err)
	}
	if err := a.vote("a", ballot{"tea"}); err != nil {
		t.Errorf("the last one again: %v", err)
	}
	if told := (*httpError)(nil); !errors.As(a.vote("b", ballot{"tea"}), &told) || told.status != http.StatusInsufficientStorage {
		t.Errorf("one too many: %v", told)
	}
	if _, err := openAPI(a.db.Path()); err == nil || !strings.Contains(fmt.Sprint(err), "run already?") {
		t.Errorf("the file is opened twice: %v", err)
	}
}
