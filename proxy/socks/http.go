package socks

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const notSOCKS = `This is a SOCKS proxy, and HTTP CONNECT works here too; plain HTTP requests do not.
In a browser, enter this host and port as its SOCKS v5 host, and let the proxy
look up names ("proxy DNS when using SOCKS v5").`

// serveHTTP serves CONNECT, and gives advice to whoever speaks plain HTTP.
func (c *conn) serveHTTP() {
	req, err := http.ReadRequest(c.front.in)
	if err != nil {
		// Not cut short, so malformed or too long.
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			c.answerHTTP(codeFailure, http.StatusBadRequest, "This is a SOCKS proxy, and the request is no HTTP either.")
		}
		return
	}
	switch {
	case fromPage(req.Header):
		// hardening.md H34: a web page must not reach through this port.
		c.answerHTTP(codeDenied, http.StatusForbidden, "Web pages may not use this proxy.")
		return
	case req.Method != http.MethodConnect:
		c.answerHTTP(codeCommand, http.StatusNotImplemented, notSOCKS)
		return
	}
	host, portText, err := net.SplitHostPort(req.RequestURI)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		c.answerHTTP(codeUnreachable, http.StatusBadRequest, "CONNECT wants host:port.")
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
	answer := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, http.StatusText(status), len(text)+1, text)
	c.reply([]byte(answer), what)
	c.front.linger()
}
