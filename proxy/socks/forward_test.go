package socks

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/proxy"
)

// site serves raw HTTP at an address, and has streams to a target lead there.
func (w *world) site(target, addr string, serve func(c net.Conn, r *bufio.Reader)) {
	w.service(addr, func(c net.Conn) { serve(c, bufio.NewReader(c)) })
	before, here := w.mix.then, w.to(addr)
	w.mix.then = func(ctx context.Context, to string, o proxy.DialOptions) (proxy.Stream, error) {
		if to == target {
			return here(ctx, to, o)
		}
		return before(ctx, to, o)
	}
}

// heads answers each request with its head and body, as they came.
func heads(c net.Conn, r *bufio.Reader) {
	for {
		var head bytes.Buffer
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(line)
			if line == "\r\n" {
				break
			}
		}
		req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(head.Bytes()), r)))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-One: 1\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nProxy-Authenticate: no\r\n\r\n%s%s",
			head.Len()+len(body), head.Bytes(), body)
	}
}

// ask sends one request and reads its answer.
func (a app) ask(method, raw string) (*http.Response, string) {
	a.t.Helper()
	a.send(raw)
	resp, err := http.ReadResponse(bufio.NewReaderSize(oneByte{a.Conn}, 16), &http.Request{Method: method})
	if err != nil {
		a.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatalf("%v after %q", err, body)
	}
	return resp, string(body)
}

// oneByte reads no further than it must, so that the next answer is left alone.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:1]) }

// What is between neighbours is taken out of a request, and nothing is put in.
func TestForwardedRequest(t *testing.T) {
	for _, tt := range []struct{ name, send, want string }{
		{"plain", "GET http://example.org/a%2Fb/../c?x=%20&y HTTP/1.1\r\nHost: example.org\r\n\r\n",
			"GET /a%2Fb/../c?x=%20&y HTTP/1.1\r\nHost: example.org\r\n\r\n"},
		{"no path", "GET http://example.org HTTP/1.1\r\nHost: example.org\r\n\r\n", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"},
		{"no path, query", "GET http://example.org?q HTTP/1.1\r\nHost: example.org\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: example.org\r\n\r\n"},
		{"options of all", "OPTIONS http://example.org HTTP/1.1\r\nHost: example.org\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: example.org\r\n\r\n"},
		{"another Host, as the URL has it", "GET http://example.org/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"},
		{"credentials in the URL", "GET http://a:b@example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"},
		{"of a browser", "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nUser-Agent: b\r\nAccept-Encoding: gzip\r\nOrigin: http://example.net\r\nSec-Fetch-Site: cross-site\r\nCookie: c=1\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: b\r\nAccept-Encoding: gzip\r\nCookie: c=1\r\nOrigin: http://example.net\r\nSec-Fetch-Site: cross-site\r\n\r\n"},
		{"between neighbours", "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nConnection: X-A, keep-alive\r\nX-A: 1\r\nX-B: 2\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: Basic dXNlcjpwYTpzcw==\r\nProxy-Foo: 1\r\nTE: trailers\r\nUpgrade: h2c\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: example.org\r\nX-B: 2\r\n\r\n"},
		{"with a body", "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nContent-Length: 4\r\n\r\nbody", "POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 4\r\n\r\nbody"},
		{"in chunks", "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
			"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\nbody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, fails(proxy.ReasonDNS))
				w.site("example.org:80", "192.0.2.9:80", heads)
				a := w.app()
				resp, body := a.ask("GET", tt.send)
				if sorted(body) != sorted(tt.want) {
					t.Errorf("the host got %q, want %q", body, tt.want)
				}
				if resp.StatusCode != 200 || resp.Header.Get("X-One") != "1" {
					t.Errorf("answer %v %v", resp.Status, resp.Header)
				}
				for _, name := range []string{"X-Hop", "Connection", "Keep-Alive", "Proxy-Authenticate", "Via"} {
					if v := resp.Header.Get(name); v != "" {
						t.Errorf("%s: %s came through", name, v)
					}
				}
				wantStrings(t, "targets", w.mix.targets(), "example.org:80")
			})
		})
	}
}

// sorted sorts the lines of a head, whose order does not matter.
func sorted(message string) string {
	head, body, _ := strings.Cut(message, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for i := 2; i < len(lines); i++ {
		for j := i; j > 1 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// One connection to the proxy serves several hosts in turn, streams to them are
// used again, and a CONNECT may come last. Users do not share streams.
func TestForwardingKeepsConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		w.site("a.org:80", "192.0.2.9:80", heads)
		w.site("b.org:8080", "192.0.2.10:8080", heads)
		a := w.app()
		for _, host := range []string{"a.org", "b.org:8080", "a.org", "a.org", "b.org:8080"} {
			if resp, _ := a.ask("GET", "GET http://"+host+"/ HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); resp.StatusCode != 200 || resp.Close {
				t.Errorf("%s: %v, close %v", host, resp.Status, resp.Close)
			}
		}
		wantStrings(t, "targets", w.mix.targets(), "a.org:80", "b.org:8080")
		a.ask("GET", "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\nProxy-Authorization: Basic dXNlcjpwYTpzcw==\r\n\r\n")
		wantStrings(t, "isolations", w.mix.isolations(), `"127.0.0.1:1080" "" "" ""`, `"127.0.0.1:1080" "" "" ""`, `"127.0.0.1:1080" "password" "user" "pa:ss"`)
		a.send(connectH)
		a.want(okH)
		a.send("echo")
		a.want("echo")
		a.Close()
		synctest.Wait()
		if n := w.net.Conns("192.0.2.9:80") + w.net.Conns("192.0.2.10:8080"); n != 0 {
			t.Errorf("%d streams left open", n)
		}
	})
}

// Answers come as they are sent: in chunks, to the end of the connection, endless.
func TestForwardedAnswers(t *testing.T) {
	const request = "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n"
	for _, tt := range []struct{ name, method, request, answer, body string }{
		{"chunks", "GET", request, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "abc"},
		{"to the end", "GET", request, "HTTP/1.1 200 OK\r\n\r\nabc", "abc"},
		{"of an old server", "GET", request, "HTTP/1.0 200 Fine\r\n\r\nabc", "abc"},
		{"to an old client", "GET", "GET http://a.org/ HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc"},
		{"head", "HEAD", strings.Replace(request, "GET", "HEAD", 1), "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", ""},
		{"no content", "GET", request, "HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"not modified", "GET", request, "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", ""},
		{"early hints", "GET", request, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"},
		{"trailer", "GET", request, "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n", "abc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, Config{}, nil)
				w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
					http.ReadRequest(r)
					io.WriteString(c, tt.answer)
				})
				a := w.app()
				resp, body := a.ask(tt.method, tt.request)
				if body != tt.body {
					t.Errorf("got %q, want %q", body, tt.body)
				}
				if tt.name == "trailer" && resp.Trailer.Get("X-Sum") != "6" {
					t.Errorf("trailer %v", resp.Trailer)
				}
				if tt.name == "to an old client" {
					a.wantEnd()
					return
				}
				if resp.Close {
					t.Error("the connection to the proxy is to be closed")
				}
			})
		})
	}
}

// Pieces of an answer are not held back for more.
func TestForwardingStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range 3 {
				time.Sleep(time.Minute)
				io.WriteString(c, "5\r\ndata\n\r\n")
			}
			io.WriteString(c, "0\r\n\r\n")
		})
		a := w.app()
		a.send("GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(a.Conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range 3 {
			b := make([]byte, 5)
			if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "data\n" {
				t.Fatalf("%q, %v", b, err)
			}
			if took := time.Since(start); took > time.Duration(i+1)*time.Minute {
				t.Errorf("piece %d came after %v", i, took)
			}
		}
	})
}

func TestForwardedFailures(t *testing.T) {
	for reason, want := range map[proxy.Reason]int{
		proxy.ReasonDenied: 403, proxy.ReasonDNS: 502, proxy.ReasonRefused: 502, proxy.ReasonTimeout: 504,
		proxy.ReasonNoAnswer: 504, proxy.ReasonNoNetwork: 503, proxy.ReasonLimit: 503,
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, fails(reason))
			a := w.app()
			for range 2 { // and the connection stays
				resp, body := a.ask("GET", "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n")
				if resp.StatusCode != want || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || len(body) < 20 {
					t.Errorf("%v: %v %q, want %d", reason, resp.Status, body, want)
				}
			}
		})
	}
	for name, answer := range map[string]string{"nothing": "", "nonsense": "hello\r\n\r\n", "half a head": "HTTP/1.1 200 OK\r\nX: "} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
				http.ReadRequest(r)
				io.WriteString(c, answer)
			})
			if resp, _ := w.app().ask("GET", "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n"); resp.StatusCode != 502 {
				t.Errorf("%s: %v, want 502", name, resp.Status)
			}
		})
	}
	// An answer that is cut off does not look whole.
	for name, head := range map[string]string{"length": "Content-Length: 100", "chunks": "Transfer-Encoding: chunked"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
				http.ReadRequest(r)
				io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n5\r\nhello\r\n")
			})
			a := w.app()
			a.send("GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(a.Conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%s: %q looks whole", name, b)
			}
		})
	}
}

// A host that answers before it has read the body is heard.
func TestForwardedEarlyAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			io.WriteString(c, "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large")
		})
		a := w.app()
		a.send("POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 1000000\r\n\r\n")
		go io.CopyN(a.Conn, endless{}, 30_000)
		resp, err := http.ReadResponse(bufio.NewReader(a.Conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); resp.StatusCode != 413 || string(b) != "too large" || err != nil {
			t.Errorf("%v %q, %v", resp.Status, b, err)
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A client that asks first sends its body when the host wants it, or when the
// host says nothing.
func TestForwardedExpectations(t *testing.T) {
	for name, says := range map[string]string{"asked for": "HTTP/1.1 100 Continue\r\n\r\n", "not asked for": "", "refused": "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
				req, _ := http.ReadRequest(r)
				if req.Header.Get("Expect") != "100-continue" {
					t.Errorf("%s: headers %v", name, req.Header)
				}
				io.WriteString(c, says)
				if name == "refused" {
					io.Copy(io.Discard, c)
					return
				}
				b, _ := io.ReadAll(req.Body)
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
			})
			a := w.app()
			a.send("POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
			if name == "refused" {
				a.want("HTTP/1.1 417 No\r\n")
				return
			}
			a.want("HTTP/1.1 100 Continue\r\n\r\n")
			if resp, body := a.ask("POST", "body"); resp.StatusCode != 200 || body != "body" {
				t.Errorf("%s: %v %q", name, resp.Status, body)
			}
		})
	}
}

// Where an answer ends must be the same for everybody: else a host could answer
// the requests for others that follow on the connection.
func TestForwardedAnswerEndsInOnePlace(t *testing.T) {
	for name, head := range map[string]string{
		"a space before the colon": "200 OK\r\nTransfer-Encoding : chunked",
		"a line end in the status": "200 OK\rTransfer-Encoding: chunked",
		"a line end in a header":   "200 OK\r\nX: a\rTransfer-Encoding: chunked",
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
				http.ReadRequest(r)
				io.WriteString(c, "HTTP/1.1 "+head+"\r\nContent-Length: 3\r\n\r\nabc")
			})
			a := w.app()
			a.send("GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n")
			if answer := readAll(t, a); strings.Contains(answer, "chunked") || !strings.HasPrefix(answer, "HTTP/1.1 ") {
				t.Errorf("%s: got %q", name, answer)
			}
		})
	}
}

// A body that says it is in chunks and is not, and another protocol that nobody asked
// for, are answered.
func TestForwardedNonsenseIsAnswered(t *testing.T) {
	for request, want := range map[string]string{
		"POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n": "400",
		"GET http://a.org/switch HTTP/1.1\r\nHost: a.org\r\n\r\n":                                   "502",
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
				if req, err := http.ReadRequest(r); err == nil && req.Method == "GET" {
					io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhi")
				}
				io.Copy(io.Discard, r)
			})
			a := w.app()
			a.send(request)
			a.want("HTTP/1.1 " + want + " ")
		})
	}
}

// After another protocol was granted, each direction ends by itself, and what came before
// an end arrives although more was sent than read.
func TestForwardedUpgradeEnds(t *testing.T) {
	const request = "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n"
	const granted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
	for name, serve := range map[string]func(c net.Conn, r *bufio.Reader){
		"the application's first": func(c net.Conn, r *bufio.Reader) {
			io.ReadAll(r)
			time.Sleep(time.Second)
			io.Copy(c, io.LimitReader(endless{}, 100_000))
		},
		"the host's first": func(c net.Conn, r *bufio.Reader) {
			io.Copy(c, io.LimitReader(endless{}, 100_000))
		},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
				http.ReadRequest(r)
				io.WriteString(c, granted)
				serve(c, r)
			})
			a := w.app()
			a.send(request)
			r := bufio.NewReader(a.Conn)
			if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
				t.Fatalf("%s: %v, %v", name, resp, err)
			}
			a.send("input")
			if name == "the application's first" {
				a.closeWrite()
			}
			if b, err := io.ReadAll(r); len(b) != 100_000 || err != nil {
				t.Errorf("%s: got %d bytes, %v", name, len(b), err)
			}
		})
	}
}

func TestForwardedUpgrade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
			req, _ := http.ReadRequest(r)
			if req.Header.Get("Upgrade") != "websocket" || req.Header.Get("Connection") != "Upgrade" {
				t.Errorf("headers %v", req.Header)
			}
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi")
			io.Copy(c, r)
		})
		a := w.app()
		a.send("GET http://a.org/ws HTTP/1.1\r\nHost: a.org\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n")
		r := bufio.NewReader(a.Conn)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "websocket" {
			t.Fatalf("%v, %v", resp, err)
		}
		a.send("there")
		b := make([]byte, 7)
		if _, err := io.ReadFull(r, b); string(b) != "hithere" {
			t.Errorf("got %q, %v", b, err)
		}
		a.Close()
		synctest.Wait()
		if n := w.srv.Stats().Active; n != 0 {
			t.Errorf("%d connections left", n)
		}
	})
}

// An application that closes its direction behind the request, as "nc -N" does, gets
// the answer, if it comes in time.
func TestForwardedAnswerToWhoHalfClosed(t *testing.T) {
	const get = "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n"
	for _, tt := range []struct {
		request string
		after   time.Duration // the host takes for its answer
		answers int
	}{
		{get, 0, 1},
		{get, halfClosedTimeout - time.Second, 1},
		{get, halfClosedTimeout + time.Second, 0},
		{"GET http://a.org/ HTTP/1.0\r\n\r\n", time.Second, 1},
		{"POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 2\r\n\r\nhi", time.Second, 1},
		{get + get, time.Second, 2},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, Config{}, nil)
			w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, req.Body)
					time.Sleep(tt.after)
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer")
				}
			})
			a := w.app()
			a.send(tt.request)
			a.closeWrite()
			if got := strings.Count(readAll(t, a), "\r\n\r\nanswer"); got != tt.answers {
				t.Errorf("%q, answered after %v: %d answers, want %d", tt.request, tt.after, got, tt.answers)
			}
			synctest.Wait()
			if n := w.srv.Stats().Active; n != 0 {
				t.Errorf("%d connections left", n)
			}
		})
	}
}

// An application that goes away while it waits lets the request go, and the stream:
// at once when its socket was reset, else after a while.
func TestForwardingEndsWithTheApplication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		w.site("a.org:80", "192.0.2.9:80", func(c net.Conn, r *bufio.Reader) {
			http.ReadRequest(r)
			io.Copy(io.Discard, r)
		})
		for _, raw := range []string{
			"GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n",
			"POST http://a.org/ HTTP/1.1\r\nHost: a.org\r\nContent-Length: 10\r\n\r\nhalf",
			"GET http://slow.org/ HTTP/1.1\r\nHost: slow.org\r\n\r\n",
		} {
			if strings.Contains(raw, "slow") {
				w.mix.then = hangs
			}
			for _, reset := range []bool{true, false} {
				a := w.app()
				a.send(raw)
				time.Sleep(time.Second)
				if reset {
					a.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
				}
				if a.Close(); !reset {
					time.Sleep(halfClosedTimeout)
				}
				synctest.Wait()
				if n := w.srv.Stats().Active; n != 0 {
					t.Errorf("%d connections left after %q, reset %v", n, raw, reset)
				}
			}
		}
		if n := w.net.Conns("192.0.2.9:80"); n != 0 {
			t.Errorf("%d streams left", n)
		}
	})
}

// What keeps a connection for requests idle loses it after a while; Run ends all.
func TestIdleForwarding(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		w.site("a.org:80", "192.0.2.9:80", heads)
		a := w.app()
		a.ask("GET", "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n")
		time.Sleep(idleTimeout - time.Second)
		a.ask("GET", "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n")
		time.Sleep(idleTimeout + time.Second)
		if n := w.srv.Stats().Active; n != 0 {
			t.Errorf("%d connections left", n)
		}
		b := w.app()
		b.ask("GET", "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n")
		w.end()
		if n := w.net.Conns("192.0.2.9:80"); n != 0 {
			t.Errorf("%d streams left", n)
		}
	})
}

// The standard client, many at once, over one proxy.
func TestForwardingForNetHTTP(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		ln, err := w.net.Listen("192.0.2.9:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			rw.Write(b)
		})}
		var served sync.WaitGroup
		served.Go(func() { srv.Serve(ln) })
		w.mix.then = w.to("192.0.2.9:80")
		client := &http.Client{Transport: &http.Transport{
			Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: proxyAddr, User: url.UserPassword("me", "1")}),
			DialContext: w.net.DialContext,
		}}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				data := pattern(10_000 * i)
				resp, err := client.Post(fmt.Sprintf("http://host%d.example/", i%5), "text/plain", io.MultiReader(bytes.NewReader(data)))
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if got, err := io.ReadAll(resp.Body); !bytes.Equal(got, data) || err != nil {
					t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
				}
			})
		}
		wg.Wait()
		client.CloseIdleConnections()
		synctest.Wait()
		srv.Close()
		served.Wait()
	})
}

func FuzzRequestHead(f *testing.F) {
	for _, s := range []string{connectH, "GET http://a.org/ HTTP/1.1\r\nHost: a.org\r\n\r\n", "POST http://a/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "\r\nGET / HTTP/1.0\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(b), maxHandshake)
		head, err := peekHead(in)
		if err != nil || ambiguous(head) {
			return
		}
		req, err := http.ReadRequest(in)
		if err != nil || !forProxies(req) {
			return
		}
		if len(req.Header["Content-Length"]) > 1 || len(req.TransferEncoding) > 1 {
			t.Fatalf("%q has more than one length", head)
		}
		withoutHop(req.Header)
		asSent(req)
		for name := range req.Header {
			if strings.HasPrefix(name, "Proxy-") {
				t.Fatalf("%s is left of %q", name, head)
			}
		}
		if p := req.URL.RequestURI(); strings.ContainsAny(p, " \r\n") {
			t.Fatalf("%q is asked for", p)
		}
	})
}
