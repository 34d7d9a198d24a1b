package wsapi

import (
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A guard decides who may connect: every web page that a browser on this
// machine shows can reach the port (H34).
type guard struct {
	hosts   []string // names that Host may have beside loopback addresses
	origins []string // that may connect beside programs, which have none
	token   string   // empty: none is needed
}

// objection says what is wrong with a request, in a word and for whoever asks;
// empty: nothing is.
func (g *guard) objection(r *http.Request) (what, why string) {
	switch {
	case !g.host(r.Host):
		return "host", fmt.Sprintf("this port is not served under the host name %.100q; nym-client run --host NAME lets programs use a name of their own for it", r.Host)
	case !g.origin(r):
		return "origin", fmt.Sprintf("pages of the origin %.100q may not connect; nym-client run --origin ORIGIN lets those of one", r.Header.Get("Origin"))
	case !g.authorized(r):
		return "token", "the token is missing or wrong; show it in the header Authorization: Bearer TOKEN, or as ?token=TOKEN behind the URL"
	}
	return "", ""
}

// connects reports whether a program may open a stream. No page can send a CONNECT,
// whose Host is that of its target.
func (g *guard) connects(r *http.Request) bool {
	_, page := r.Header["Origin"]
	return !page && g.authorized(r)
}

// host reports whether the Host header names us. A page whose own name was made
// to point here has that name in it.
func (g *guard) host(header string) bool {
	name := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		name = h
	} else {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.IsLoopback() {
		return true
	}
	return name != "" && slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// origin reports whether the request comes from a program, or from a page that
// may connect. A page has no way to leave the header out, and none is of our own
// origin, for we serve none: that is what some libraries for programs say. The
// host must have been looked at.
func (g *guard) origin(r *http.Request) bool {
	given, ok := r.Header["Origin"]
	if !ok {
		return true
	}
	own := "http://" + r.Host
	return len(given) == 1 && (strings.EqualFold(own, given[0]) ||
		slices.ContainsFunc(g.origins, func(o string) bool { return strings.EqualFold(o, given[0]) }))
}

// authorized looks for the token in the header Authorization or, as browsers
// cannot set that, in the query.
func (g *guard) authorized(r *http.Request) bool {
	if g.token == "" {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		given = r.URL.Query().Get("token")
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(g.token)) == 1
}

// ValidOrigin reports whether a text is the origin of web pages, as a browser
// writes it: scheme://host or scheme://host:port. The origin null is none: every
// page can have it.
func ValidOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != "" && s == u.Scheme+"://"+u.Host
}
