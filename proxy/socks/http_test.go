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
		{"a body of nothing", "CONNECT a.org:1 HTTP/1.1\r\nHost: a.org\r\nContent-Length: 0\r\n\r\n", "a.org:1", `"127.0.0.1:1080" "" "" ""`},
		{"an empty line before it", "\r\n" + connectH, "example.org:443", `"127.0.0.1:1080" "" "" ""`},
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

// hardening.md H34: "CONNECT with `Origin` or `Sec-Fetch-*` is refused", "what has
// no whole URL is never forwarded", "no CORS".
func TestH34PagesAreRefused(t *testing.T) {
	for _, header := range []string{"Origin: https://evil.example", "origin: null", "ORIGIN:", "Sec-Fetch-Site: cross-site", "sec-fetch-mode: navigate"} {
		for request, want := range map[string]string{"CONNECT example.org:443": "403", "GET /": "501", "POST /": "501", "OPTIONS *": "501"} {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				a := w.app()
				a.send(request + " HTTP/1.1\r\nHost: 127.0.0.1:1080\r\n" + header + "\r\n\r\n")
				a.closeWrite()
				answer := readAll(t, a)
				if !strings.HasPrefix(answer, "HTTP/1.1 "+want+" ") || !strings.Contains(answer, "HTTP proxy") {
					t.Errorf("%s with %q: got %q, want %s and advice", request, header, answer, want)
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
		{"browser that opens the port", "GET / HTTP/1.1\r\nHost: localhost:1080\r\nSec-Fetch-Mode: navigate\r\n\r\n", "HTTP/1.1 501 "},
		{"page that a name leads here", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 501 "},
		{"another scheme", "GET https://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 501 "},
		{"two lengths", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 400 "},
		{"length and encoding", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 "},
		{"two encodings", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "HTTP/1.1 400 "},
		{"an odd encoding", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: xchunked\r\n\r\n", "HTTP/1.1 400 "},
		{"a list of lengths", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1, 1\r\n\r\nx", "HTTP/1.1 400 "},
		{"a signed length", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: +1\r\n\r\nx", "HTTP/1.1 400 "},
		{"a folded line", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1\r\n 2\r\n\r\nx", "HTTP/1.1 400 "},
		{"a space before the colon", "POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length : 1\r\n\r\nx", "HTTP/1.1 400 "},
		{"an encoding before HTTP/1.1", "POST http://a.org/ HTTP/1.0\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400 "},
		{"lines that end either way", "GET / HTTP/1.1\nHost: a\n\r\n", "HTTP/1.1 501 "},
		{"two empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
		{"with a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 40000), "HTTP/1.1 501 "},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 505 "},
		{"another version", "GET http://a.org/ HTTP/3.0\r\nHost: a.org\r\n\r\n", "HTTP/1.1 505 "},
		{"a fragment", "GET http://a.org/a#b HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"a host with an escape", "GET http://a%2eorg/ HTTP/1.1\r\nHost: a%2eorg\r\n\r\n", "HTTP/1.1 400 "},
		{"a host with a NUL", "GET http://a%00.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"a host with an empty label", "GET http://a..org/ HTTP/1.1\r\nHost: a..org\r\n\r\n", "HTTP/1.1 400 "},
		{"a host with a zone", "GET http://[fe80::1%25lo]/ HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"a port that is none", "GET http://a.org:65536/ HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"two ports", "GET http://a.org:80:80/ HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"a host behind a backslash", "GET http://a.org\\@b.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT with a body", "CONNECT a.org:80 HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 400 "},
		{"CONNECT with chunks", "CONNECT a.org:80 HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT with a user", "CONNECT u@a.org:80 HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT with a URL", "CONNECT http://a.org:80 HTTP/1.1\r\nHost: a.org\r\n\r\n", "HTTP/1.1 400 "},
		{"no HTTP", "hello\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT without a port", "CONNECT example.org HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT with an odd port", "CONNECT example.org:99999 HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT to port 0", "CONNECT example.org:0 HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 403 "},
		{"CONNECT to nobody", "CONNECT :80 HTTP/1.1\r\nHost: example.org\r\n\r\n", "HTTP/1.1 400 "},
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

// A limit that is reached is said, not just made felt.
func TestLongHTTPHeaderIsAnswered(t *testing.T) {
	for _, request := range []string{"GET http://example.org/ HTTP/1.1\r\nX: ", "CONNECT example.org:443 HTTP/1.1\r\nProxy-Authorization: Negotiate "} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			a := w.app()
			a.send(request + strings.Repeat("x", 4*maxHandshake))
			a.closeWrite()
			if got := readAll(t, a); !strings.HasPrefix(got, "HTTP/1.1 431 ") || !strings.Contains(got, "16384 bytes") {
				t.Errorf("got %q", got)
			}
			wantStrings(t, "targets", w.mix.targets())
		})
		bubble(t, func(t *testing.T) { // what fits is read
			w := newWorld(t, Config{}, nil)
			a := w.app()
			a.send("CONNECT example.org:443 HTTP/1.1\r\nProxy-Authorization: Negotiate " + strings.Repeat("x", 12<<10) + "\r\n\r\n")
			a.want(okH)
		})
	}
}
