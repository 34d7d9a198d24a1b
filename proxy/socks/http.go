package socks

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what a person reads who opens the port in a browser, or speaks HTTP to
// it in a form that is not for proxies.
const usage = `This is a SOCKS proxy, and an HTTP proxy too. It is no web server.

In a browser, enter this host and port as its SOCKS v5 host, and let the proxy
look up names ("proxy DNS when using SOCKS v5"), or as its HTTP proxy for HTTP and
HTTPS. Programs take it as http_proxy=http://HOST:PORT and the same for
https_proxy, or as ALL_PROXY=socks5h://HOST:PORT.`

// serveHTTP serves the HTTP requests of a connection: any number for proxies
// (GET http://host/path), and then one CONNECT. Others get a page that explains.
func (c *conn) serveHTTP() {
	c.front.forHTTP()
	f := &forwarder{c: c}
	defer f.close()
	for first := true; ; first = false {
		req, bad := c.readRequest(first)
		switch {
		case bad != nil:
			c.answerHTTP(codeFailure, bad.status, bad.text)
			return
		case req == nil:
			return // gone
		case req.Method == http.MethodConnect:
			c.serveConnect(req)
			return
		case !forProxies(req):
			c.answerHTTP(codeCommand, http.StatusNotImplemented, usage)
			return
		case !f.forward(req):
			return
		}
		c.front.app.SetReadDeadline(time.Now().Add(idleTimeout))
	}
}

// forProxies reports whether a request is one that only proxies are sent: with a
// whole URL. What has a path only is never forwarded, whatever its Host says: a
// page whose name leads here could have sent it.
func forProxies(req *http.Request) bool {
	return req.URL.Scheme == "http" && req.URL.Host != "" && req.URL.Opaque == "" && !strings.HasPrefix(req.RequestURI, "/")
}

// serveConnect serves CONNECT.
func (c *conn) serveConnect(req *http.Request) {
	if fromPage(req.Header) {
		// hardening.md H34: a web page must not reach through this port.
		c.answerHTTP(codeDenied, http.StatusForbidden, "Web pages may not use CONNECT here; browsers do so without Origin and Sec-Fetch headers.\n\n"+usage)
		return
	}
	if req.ContentLength != 0 {
		// A CONNECT has no content (RFC 9110 §9.3.6): where the stream begins would
		// be another place for others that read this.
		c.answerHTTP(codeFailure, http.StatusBadRequest, "CONNECT takes no body: what follows its head is the stream.")
		return
	}
	host, portText, err := net.SplitHostPort(req.RequestURI)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		c.answerHTTP(codeUnreachable, http.StatusBadRequest, "CONNECT wants host:port.")
		return
	}
	if _, bad := target(host, uint16(port)); bad == codeUnreachable {
		c.answerHTTP(bad, http.StatusBadRequest, noHost)
		return
	}
	code := c.open(host, uint16(port), basicOwner(req.Header.Get("Proxy-Authorization")))
	if code != codeSucceeded {
		status, text := code.http()
		c.answerHTTP(code, status, text)
		return
	}
	if c.reply([]byte("HTTP/1.1 200 Connection established\r\n\r\n"), code) {
		c.relay()
	}
}

// noHost is what an HTTP client reads that names no host.
const noHost = "The host of the request is neither a name that can be looked up nor an address, or its port is none."

// A refusal is an answer to a request that cannot be read.
type refusal struct {
	status int
	text   string
}

// readRequest reads the head of the next request; nil if there is none, since the
// application is gone or too slow. One empty line before it is passed over
// (RFC 9112 §2.2).
func (c *conn) readRequest(first bool) (*http.Request, *refusal) {
	in := c.front.in
	for skipped := 0; ; skipped++ {
		b, err := in.Peek(1)
		if err != nil {
			return nil, nil
		}
		if skipped == 0 && !first {
			c.front.app.SetReadDeadline(time.Now().Add(c.s.cfg.HandshakeTimeout))
		}
		if b[0] != '\r' && b[0] != '\n' {
			break
		}
		if skipped == len("\r\n") {
			return nil, &refusal{http.StatusBadRequest, "The request begins with more than one empty line."}
		}
		in.Discard(1)
	}
	head, err := peekHead(in)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &refusal{http.StatusRequestHeaderFieldsTooLarge,
			fmt.Sprintf("The head of the request is longer than the %d bytes that this proxy reads.", maxHandshake)}
	case err != nil:
		return nil, nil
	case ambiguous(head):
		return nil, &refusal{http.StatusBadRequest, "The request does not say clearly how long it is."}
	}
	req, err := http.ReadRequest(in)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "The request is neither SOCKS nor HTTP that could be read."}
	}
	switch {
	case req.ProtoMajor != 1:
		return nil, &refusal{http.StatusHTTPVersionNotSupported, "Only HTTP/1.1 and HTTP/1.0 are spoken here.\n\n" + usage}
	case strings.Contains(req.RequestURI, "#"):
		return nil, &refusal{http.StatusBadRequest, "What follows # in a URL is not for servers."}
	}
	return req, nil
}

// peekHead waits for the head of a request, up to the empty line behind it.
func peekHead(in *bufio.Reader) ([]byte, error) {
	for n := 1; ; n = in.Buffered() + 1 {
		b, err := in.Peek(n)
		b, _ = in.Peek(max(in.Buffered(), len(b)))
		end := len(b) + 1
		for _, empty := range []string{"\n\r\n", "\n\n"} { // lines may end in \n alone, each by itself
			if i := bytes.Index(b, []byte(empty)); i >= 0 {
				end = min(end, i+len(empty))
			}
		}
		if end <= len(b) {
			return b[:end], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// ambiguous reports whether two programs could read the length of a request
// differently: more than one length, a length beside an encoding, an encoding other
// than chunked or before HTTP/1.1, lines that are folded, names with spaces.
func ambiguous(head []byte) bool {
	lengths, encodings, old := 0, 0, false
	for i, line := range strings.Split(string(head), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if i == 0 {
			old = !strings.HasSuffix(line, " HTTP/1.1")
		}
		if i == 0 || line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || strings.ContainsAny(line, "\r\x00") {
			return true
		}
		switch strings.ToLower(name) {
		case "content-length":
			lengths++
			if strings.ContainsAny(value, ",+-") {
				return true
			}
		case "transfer-encoding":
			encodings++
			if !strings.EqualFold(strings.TrimSpace(value), "chunked") {
				return true
			}
		}
	}
	return lengths+encodings > 1 || old && encodings > 0
}

// isToken reports whether a text may be the name of a header (RFC 9110 §5.6.2).
func isToken(name string) bool {
	for _, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// appendFields appends headers as lines. What is no header for everybody is left
// out: "Transfer-Encoding : chunked" would end the answer elsewhere for
// some, and then a host could answer requests for others (RFC 9112 §5.1).
func appendFields(b []byte, h http.Header) []byte {
	for name, values := range h {
		if !isToken(name) {
			continue
		}
		for _, v := range values {
			b = append(b, name+": "+v+"\r\n"...)
		}
	}
	return b
}

// fromPage reports whether the request comes from a page in a browser rather
// than from the browser itself.
func fromPage(h http.Header) bool {
	for name := range h {
		if name == "Origin" || strings.HasPrefix(name, "Sec-Fetch-") {
			return true
		}
	}
	return false
}

// basicOwner is who a stream belongs to by its basic credentials, if any.
func basicOwner(authorization string) owner {
	scheme, value, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return owner{}
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return owner{}
	}
	user, password, _ := strings.Cut(string(text), ":")
	return owner{"password", user, password}
}

// answerHTTP answers with a short text and ends the conversation.
func (c *conn) answerHTTP(what code, status int, text string) {
	c.reply(page(status, text, true), what)
	c.front.linger()
}

// page is a whole answer of our own.
func page(status int, text string, last bool) []byte {
	connection := ""
	if last {
		connection = "Connection: close\r\n"
	}
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s\r\n%s\n",
		status, http.StatusText(status), len(text)+1, connection, text)
}

// withoutHop removes the headers that are between two neighbours only (RFC 9110
// §7.6.1), and those for proxies. If the message asks for another protocol on
// the connection, or grants it, that stays.
func withoutHop(h http.Header) (upgrade string) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			name = strings.TrimSpace(name)
			if strings.EqualFold(name, "upgrade") {
				upgrade = h.Get("Upgrade")
			}
			h.Del(name)
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "Proxy-") || slices.Contains(hopByHop, name) {
			delete(h, name)
		}
	}
	if upgrade != "" {
		h.Set("Connection", "Upgrade")
		h.Set("Upgrade", upgrade)
	}
	return upgrade
}

var hopByHop = []string{"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forHTTP makes in read any number of heads, each within the same bound.
func (f *front) forHTTP() {
	read, _ := f.in.Peek(f.in.Buffered())
	f.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(read)), f.app), maxHandshake)
}
