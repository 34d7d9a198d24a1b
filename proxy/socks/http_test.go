package socks

import (
	"io"
	"strings"
	"testing"
)

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return string(b)
}

func TestHTTPConnect(t *testing.T) {
	for _, tt := range []struct {
		name, send, target, isolation string
	}{
		{"name", connectH, "example.org:443", `"127.0.0.1:1080" "" "" ""`},
		{"IPv6", "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n", "[2001:db8::1]:443", `"127.0.0.1:1080" "" "" ""`},
		{"credentials", "CONNECT a.org:1 HTTP/1.0\r\nProxy-Authorization: basic dXNlcjpwYTpzcw==\r\n\r\n", "a.org:1", `"127.0.0.1:1080" "password" "user" "pa:ss"`},
		{"odd credentials", "CONNECT a.org:1 HTTP/1.1\r\nHost: a.org\r\nProxy-Authorization: Basic !\r\n\r\n", "a.org:1", `"127.0.0.1:1080" "" "" ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(tt.send + "early")
				a.want(okH + "early")
				a.send("late")
				a.closeWrite()
				a.want("late")
				a.wantEnd()
				wantStrings(t, "targets", w.mix.targets(), tt.target)
				wantStrings(t, "isolation", w.mix.isolations(), tt.isolation)
			})
		})
	}
}

// hardening.md H34: "CONNECT with `Origin` or `Sec-Fetch-*` is refused", "no CORS".
func TestH34PagesAreRefused(t *testing.T) {
	for _, header := range []string{"Origin: https://evil.example", "origin: null", "ORIGIN:", "Sec-Fetch-Site: cross-site", "sec-fetch-mode: navigate"} {
		for _, request := range []string{"CONNECT example.org:443", "GET /", "POST /"} {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(request + " HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n" + header + "\r\n\r\n")
				a.closeWrite()
				answer := readAll(t, a)
				if !strings.HasPrefix(answer, "HTTP/1.1 403 ") {
					t.Errorf("%s with %q: got %q, want 403", request, header, answer)
				}
				if strings.Contains(answer, "Access-Control") {
					t.Errorf("CORS headers in %q", answer)
				}
				wantStrings(t, "targets", w.mix.targets())
			})
		}
	}
}

// socks.md §23.8: "HTTP sent to the SOCKS port."
func TestPlainHTTPGetsAdvice(t *testing.T) {
	for _, tt := range []struct {
		name, send, want string
	}{
		{"browser", "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 501 "},
		{"with a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 40000), "HTTP/1.1 501 "},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 501 "},
		{"no HTTP", "hello\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT without a port", "CONNECT example.org HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT with an odd port", "CONNECT example.org:99999 HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT to port 0", "CONNECT example.org:0 HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 403 "},
		{"CONNECT to nobody", "CONNECT :80 HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 502 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(tt.send)
				a.want(tt.want)
				a.closeWrite()
				answer := readAll(t, a)
				if tt.want == "HTTP/1.1 501 " && !strings.Contains(answer, "This is a SOCKS proxy") {
					t.Errorf("no advice in %q", answer)
				}
				wantStrings(t, "targets", w.mix.targets())
			})
		})
	}
}

func TestEndlessHTTPHeaderIsCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		a := w.app()
		a.send("GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 4*maxHandshake))
		a.wantEnd()
	})
}
