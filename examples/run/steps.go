package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"nym-socks5/mixnet/wsapi/wsclient"
)

// want reports a text that is not in another.
func want(what, got string, texts ...string) error {
	for _, t := range texts {
		if !strings.Contains(got, t) {
			return fmt.Errorf("%s: got %q, want %q in it", what, got, t)
		}
	}
	return nil
}

func hello(ctx context.Context, w *world) error {
	out, err := w.output(ctx, "", "hello")
	if err != nil {
		return err
	}
	w.say("%s", strings.TrimSpace(out))
	return want("hello", out, `somebody said "hello"`)
}

func talk(ctx context.Context, w *world) error {
	listener, err := w.start(ctx, w.folder(), "talk", "-directory", w.directory)
	if err != nil {
		return err
	}
	address, err := listener.line(ctx, "call me: ")
	if err != nil {
		return err
	}
	caller, err := w.start(ctx, w.folder(), "talk", "-directory", w.directory, "-call", address)
	if err != nil {
		return err
	}
	for from, to := range map[*process]*process{caller: listener, listener: caller} {
		if _, err := fmt.Fprintln(from.in, "good evening"); err != nil {
			return err
		}
		if _, err := to.line(ctx, "good evening"); err != nil {
			return err
		}
	}
	w.say("both say good evening")
	return nil
}

func grpc(ctx context.Context, w *world) error {
	out, err := w.output(ctx, "", "go", "-C", "examples/grpc", "run", "-mod=readonly", ".")
	if err != nil {
		return err
	}
	w.say("%s", strings.Join(strings.Fields(out), " "))
	return want("grpc", out, "somebody", "\n1\n2\n3\n")
}

func firstMessage(ctx context.Context, w *world) error {
	out, err := w.output(ctx, "", "first-message")
	if err != nil {
		return err
	}
	w.say("%d lines of the scripts as they should be", strings.Count(out, "\n"))
	return want("first-message", out, "received: while you were away")
}

// broadcast has a world of its own, with its nodes.
func broadcast(ctx context.Context, w *world) error {
	out, err := w.output(ctx, "", "make", "broadcast-real")
	if err != nil {
		return err
	}
	passed := strings.Count(out, "--- PASS: ")
	w.say("%d tests with real nodes passed", passed)
	return want("broadcast", out, "--- PASS: ", "ok  ")
}

// nymClient runs a client for programs and gives the URL where they connect.
func (w *world) nymClient(ctx context.Context) (url string, err error) {
	dir := w.folder()
	p, err := w.start(ctx, "", "nym-client", "run", "--config", dir+".toml", "--state-dir", dir, "--log-level", "warn",
		"--directory", w.directory, "--listen", "127.0.0.1:0", "--keep-on-disk")
	if err != nil {
		return "", err
	}
	return p.line(ctx, "")
}

// notes runs each service, and has each client put a note that the next one reads.
func notes(ctx context.Context, w *world) error {
	askerURL, err := w.nymClient(ctx)
	if err != nil {
		return err
	}
	clients := [][]string{
		{"notes", "-directory", w.directory},
		{"python3", "examples/notes/notes.py", askerURL},
		{"node", "examples/notes/notes.mjs", askerURL},
	}
	plainly := [][]string{
		{"notes", "-plain", "-directory", w.directory},
		{"python3", "examples/notes/notes.py", "--plain", askerURL},
		{"node", "examples/notes/notes.mjs", "--plain", askerURL},
	}
	for i, service := range []string{"Go", "Python", "JavaScript"} {
		state := w.folder()
		url, err := "", error(nil)
		if i > 0 {
			if url, err = w.nymClient(ctx); err != nil {
				return err
			}
		}
		serve := func() (*process, string, error) {
			p, err := w.start(ctx, "", [][]string{
				{"notes", "-directory", w.directory, "-state", state, "serve"},
				{"python3", "examples/notes/notes.py", url, "serve", filepath.Join(state, "notes.db")},
				{"node", "examples/notes/notes.mjs", url, "serve", filepath.Join(state, "notes.journal")},
			}[i]...)
			if err != nil {
				return nil, "", err
			}
			address, err := p.line(ctx, "notes are kept at ")
			return p, address, err
		}
		p, address, err := serve()
		if err != nil {
			return err
		}
		ask := func(client []string, args ...string) (string, error) {
			if client[0] == "notes" && args[0] == "put" { // reads the note
				return w.output(ctx, args[2], append(client[:len(client):len(client)], args[:2]...)...)
			}
			return w.output(ctx, "", append(client[:len(client):len(client)], args...)...)
		}
		for j, client := range clients {
			text := fmt.Sprintf("note %d, “kept” in %s", j, service)
			out, err := ask(client, "put", address, text)
			if err != nil {
				return err
			}
			field := func(name string) string {
				_, rest, _ := strings.Cut("\n"+out, "\n"+name+" ")
				value, _, _ := strings.Cut(rest, "\n")
				return value
			}
			if j == 1 {
				p.kill()
				if p, address, err = serve(); err != nil {
					return err
				}
			}
			got, err := ask(plainly[(j+1)%3], "get", address, field("name"))
			if err != nil {
				return err
			}
			if err := want("the note", got, text); err != nil {
				return err
			}
			if _, err := ask(client, "delete", address, field("key")); err != nil {
				return err
			}
			if got, err := ask(client, "get", address, field("name")); err == nil || !strings.Contains(err.Error(), "not-found") {
				return fmt.Errorf("a deleted note is there: %q, %v", got, err)
			}
		}
		if err := refusals(ctx, askerURL, address); err != nil {
			return fmt.Errorf("the service in %s: %w", service, err)
		}
		w.say("the service in %s answers Go, Python and JavaScript, plainly and anonymously, and has outlived kill -9", service)
	}
	return nil
}

// refusals has a service answer bad requests, as each of the three should.
func refusals(ctx context.Context, url, service string) error {
	c, err := wsclient.Dial(ctx, url, wsclient.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Subscribe(ctx); err != nil {
		return err
	}
	const name = `"000102030405060708090a0b0c0d0e0f"`
	for i, r := range []struct{ fields, code string }{
		{`"notes":2,"op":"put","text":"a"`, "bad-request"},
		{`"notes":1,"op":"list"`, "bad-request"},
		{`"notes":1,"op":["put"],"text":"a"`, ""},
		{`"notes":1,"op":"put"`, "bad-request"},
		{`"notes":1,"op":"put","text":""`, "bad-request"},
		{`"notes":1,"op":"put","text":7`, ""},
		{`"notes":1,"op":"put","text":"a","days":31`, "bad-request"},
		{`"notes":1,"op":"put","text":"a","days":1.5`, ""},
		{`"notes":1,"op":"put","text":"a","name":` + name, "bad-request"},
		{`"notes":1,"op":"put","text":"` + strings.Repeat("a", 65537) + `"`, "bad-request"},
		{`"notes":1,"op":"get"`, "bad-request"},
		{`"notes":1,"op":"get","name":` + name, "not-found"},
		{`"notes":1,"op":"get","name":"../notes.db"`, ""},
		{`"notes":1,"op":"delete"`, "bad-request"},
		{`"notes":1,"op":"delete","key":` + name, "none"}, // it need not be there
	} {
		id := fmt.Sprintf("%032x", i+1)
		// In front of each there is what is no request. It is dropped.
		for _, body := range []string{"[[[[", `{"id":"` + id + `",` + r.fields + `}`} {
			if err := c.Send(ctx, wsclient.Message{To: service, Body: []byte(body), Anonymous: true, SURBs: 10}); err != nil {
				return err
			}
		}
		if r.code == "" {
			continue // dropped by some, refused by others
		}
		for {
			m, err := c.Receive(ctx)
			if err != nil {
				return fmt.Errorf("no answer to %.60s: %w", r.fields, err)
			}
			var a struct{ ID, Error string }
			if err := json.Unmarshal(m.Body, &a); err != nil {
				return fmt.Errorf("answer to %.60s: %w", r.fields, err)
			}
			if a.ID != id {
				continue // to one before, which may be refused or not
			}
			if a.Error != r.code && !(a.Error == "" && r.code == "none") {
				return fmt.Errorf("answer to %.60s: %q, want %q", r.fields, a.Error, r.code)
			}
			break
		}
	}
	return nil
}

func backend(ctx context.Context, w *world) error {
	dir := w.folder()
	votes := filepath.Join(dir, "votes.db")
	api, err := w.start(ctx, "", "backend", "-listen", "127.0.0.1:0", "serve", votes)
	if err != nil {
		return err
	}
	base, err := api.line(ctx, "the API is at ")
	if err != nil {
		return err
	}
	at := strings.TrimPrefix(base, "http://")
	requester, err := w.start(ctx, "", "network-requester", "run", "--config", dir+".toml", "--state-dir", filepath.Join(dir, "requester"),
		"--log-level", "warn", "--directory", w.directory, "--allow", at)
	if err != nil {
		return err
	}
	address, err := requester.line(ctx, "")
	if err != nil {
		return err
	}
	out, err := w.output(ctx, "", "backend", "-directory", w.directory, "-api", base, "vote", address, "tea")
	if err != nil {
		return err
	}
	if err := want("vote", out, "your vote counts", "     1  tea"); err != nil {
		return err
	}
	w.say("a vote by the library counts")

	api.kill() // and what has voted stays
	if api, err = w.start(ctx, "", "backend", "-listen", at, "serve", votes); err != nil {
		return err
	}
	if _, err := api.line(ctx, "the API is at "); err != nil {
		return err
	}
	socks, err := w.start(ctx, "", "nym-socks5", "run", "--config", dir+"-socks.toml", "--state-dir", filepath.Join(dir, "socks"),
		"--log-level", "warn", "--directory", w.directory, "--requester", address, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	proxy, err := socks.line(ctx, "")
	if err != nil {
		return err
	}
	curl := func(args ...string) (string, error) {
		return w.output(ctx, "", append([]string{"curl", "-sS", "--max-time", "60", "--proxy", proxy}, args...)...)
	}
	ballot := base + "/v1/ballots/" + strings.Repeat("c0", 16)
	for range 2 { // the same ballot again counts once
		if _, err := curl("-X", "PUT", "-d", `{"option":"coffee"}`, ballot); err != nil {
			return err
		}
	}
	if out, err = curl(base + "/v1/result"); err != nil {
		return err
	}
	if err := want("result by curl", out, `{"votes":{"coffee":1,"tea":1,"water":0}}`); err != nil {
		return err
	}
	w.say("curl votes by nym-socks5, after the API was killed: %s", strings.TrimSpace(out))
	if out, err = curl(w.directory); err == nil || !strings.Contains(err.Error(), "curl: (97)") {
		return fmt.Errorf("the requester connects to something else: %q, %v", out, err)
	}
	w.say("anything else is refused")
	return nil
}
