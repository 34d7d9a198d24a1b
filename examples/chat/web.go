package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"nym-socks5/examples/chat/protocol"
	"nym-socks5/internal/web"
)

//go:embed page
var pageFiles embed.FS

// transfer is how long a file may take between the browser and the program.
const transfer = 10 * time.Minute

// A page serves a person to the browser on the same machine.
//
// Its files are for everybody who reaches the port, since there is nothing in them.
// All else takes the token, which is in the fragment of the URL that the program
// prints: a fragment is not sent to servers, and other ports of this machine do not
// see what a page keeps, as they would see its cookies (H34).
type page struct {
	p     *person
	token string
}

func newPage(p *person) *page { return &page{p, rand.Text()} }

// url is what the user opens.
func (g *page) url(ln net.Listener) string { return "http://" + ln.Addr().String() + "/#" + g.token }

// run serves until ctx ends, then returns nil.
func (g *page) run(ctx context.Context, ln net.Listener) error {
	return web.Serve(ctx, ln, g.handler(ctx), nil)
}

func (g *page) handler(ctx context.Context) http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic("chat: " + err.Error()) // it is built in
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	api := func(pattern string, limit int64, f func(w http.ResponseWriter, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok || subtle.ConstantTimeCompare([]byte(shown), []byte(g.token)) != 1 {
				fail(w, http.StatusUnauthorized, errors.New("chat: open the URL that the program has printed"))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			v, err := f(w, r)
			switch {
			case err != nil:
				fail(w, http.StatusUnprocessableEntity, err)
			case v != nil:
				w.Header().Set("Content-Type", "application/json")
				json.NewEncoder(w).Encode(v)
			}
		})
	}
	const small = 64 << 10
	api("GET /api/events", 0, func(w http.ResponseWriter, r *http.Request) (any, error) { return nil, g.events(ctx, w, r) })
	api("GET /api/qr.svg", 0, g.qr)
	api("POST /api/qr", maxPicture, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		c, err := readQR(r.Body)
		return map[string]string{"card": c.String()}, err
	})
	api("POST /api/contacts", small, g.add)
	api("POST /api/contacts/{contact}/{act}", small, g.act)
	api("GET /api/contacts/{contact}/entries", 0, g.entries)
	api("POST /api/contacts/{contact}/files", protocol.MaxFile, g.sendFile)
	api("POST /api/contacts/{contact}/entries/{seq}/{act}", 0, g.actFile)
	api("GET /api/contacts/{contact}/entries/{seq}/file", 0, g.getFile)
	return guard(mux)
}

// guard keeps other pages out (H34): they cannot be this page's origin, and a name that
// leads to this machine is not its host. What it serves loads nothing from anywhere
// else, and no page may frame it.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
		switch {
		case !loopback(r.Host):
			fail(w, http.StatusMisdirectedRequest, errors.New("chat: this is reached as localhost or 127.0.0.1 only"))
		case origin != "" && origin != "http://"+r.Host, site != "" && site != "same-origin" && site != "none":
			fail(w, http.StatusForbidden, errors.New("chat: other pages may not use this"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// loopback reports whether a Host header names this machine by itself.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return false // we are at no port that goes without saying
	}
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": strings.TrimPrefix(err.Error(), "chat: ")})
}

// A line is one line of events.
type line struct {
	Self     *selfView      `json:"self,omitempty"`
	Contacts []*contactView `json:"contacts,omitempty"`
	Contact  *contactView   `json:"contact,omitempty"`
	Entry    *entryView     `json:"entry,omitempty"`
}

// events streams lines of JSON: how things are, then each change. A page that does not
// read is cut off, and connects anew.
func (g *page) events(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	var first line
	var events chan event
	var stop func()
	err := g.p.do(func() {
		first = line{Self: &selfView{g.p.name, g.p.cardText}, Contacts: g.p.viewContacts()}
		events, stop = g.p.listen()
	})
	if err != nil {
		return err
	}
	defer g.p.do(func() { stop() })
	w.Header().Set("Content-Type", "application/jsonl")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	flush.SetReadDeadline(time.Time{}) // a read that times out would end the request
	out.Encode(first)
	alive := time.NewTicker(15 * time.Second) // so that a page notices that the program has ended
	defer alive.Stop()
	for {
		flush.SetWriteDeadline(time.Now().Add(30 * time.Second))
		if err := flush.Flush(); err != nil {
			return nil // the page is gone
		}
		select {
		case e, ok := <-events:
			if !ok {
				return nil
			}
			out.Encode(line{Contact: e.contact, Entry: e.entry})
		case <-alive.C:
			out.Encode(line{})
		case <-r.Context().Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (g *page) qr(w http.ResponseWriter, _ *http.Request) (any, error) {
	var card string
	if err := g.p.do(func() { card = g.p.cardText }); err != nil {
		return nil, err
	}
	rows, err := qrCode(card)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	io.WriteString(w, qrSVG(rows))
	return nil, nil
}

// with calls f as the owner, with the contact that the path names.
func (g *page) with(r *http.Request, f func(*talk) error) error {
	id, err := strconv.ParseUint(r.PathValue("contact"), 10, 64)
	if err != nil {
		return errors.New("chat: a contact is a number")
	}
	ended := g.p.do(func() {
		var t *talk
		if t, err = g.p.find(id); err == nil {
			err = f(t)
		}
	})
	return errors.Join(ended, err)
}

func (g *page) add(_ http.ResponseWriter, r *http.Request) (v any, err error) {
	var in struct{ Card, Name string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	ended := g.p.do(func() {
		var t *talk
		if t, err = g.p.add(in.Card, in.Name); err == nil {
			v = g.p.viewContact(t)
		}
	})
	return v, errors.Join(ended, err)
}

// act does what is done to a contact.
func (g *page) act(_ http.ResponseWriter, r *http.Request) (v any, err error) {
	var in struct {
		Text, Name string
		Seq        uint64
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil && err != io.EOF {
		return nil, err
	}
	return v, g.with(r, func(t *talk) error {
		v = struct{}{}
		switch r.PathValue("act") {
		case "accept":
			return g.p.decide(t, true)
		case "ignore":
			return g.p.decide(t, false)
		case "remove":
			return g.p.remove(t)
		case "seen":
			g.p.seen(t, in.Seq)
			return nil
		case "write":
			e, err := g.p.write(t, in.Text)
			if err == nil {
				v = g.p.viewEntry(t, e)
			}
			return err
		}
		return errors.New("chat: nothing is called so")
	})
}

func (g *page) entries(_ http.ResponseWriter, r *http.Request) (v any, err error) {
	before, _ := strconv.ParseUint(r.URL.Query().Get("before"), 10, 64) // none: 0
	return v, g.with(r, func(t *talk) error {
		v = g.p.history(t, before, 100)
		return nil
	})
}

func (g *page) sendFile(w http.ResponseWriter, r *http.Request) (v any, err error) {
	if err := g.with(r, func(*talk) error { return nil }); err != nil {
		return nil, err
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(transfer))
	c, err := g.p.copyFile(r.URL.Query().Get("name"), r.Body)
	if err != nil {
		return nil, err
	}
	err = g.with(r, func(t *talk) error {
		e, err := g.p.offer(t, c)
		if err == nil {
			v = g.p.viewEntry(t, e)
		}
		return err
	})
	return v, err
}

// entry calls f as the owner, with the entry that the path names.
func (g *page) entry(r *http.Request, f func(*talk, *entry) error) error {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil {
		return errors.New("chat: an entry is a number")
	}
	return g.with(r, func(t *talk) error {
		e, err := g.p.entryOf(t, seq)
		if err != nil {
			return err
		}
		return f(t, e)
	})
}

func (g *page) actFile(_ http.ResponseWriter, r *http.Request) (any, error) {
	act := r.PathValue("act")
	if act != "accept" && act != "end" {
		return nil, errors.New("chat: nothing is called so")
	}
	return struct{}{}, g.entry(r, func(t *talk, e *entry) error { return g.p.decideFile(t, e, act == "accept") })
}

// getFile gives a file that has come, for saving: never for showing, whatever is in it.
func (g *page) getFile(w http.ResponseWriter, r *http.Request) (any, error) {
	var path, name string
	err := g.entry(r, func(_ *talk, e *entry) error {
		if e.File == nil || e.Out || e.File.State != complete {
			return errors.New("chat: there is no such file")
		}
		path, name = g.p.received(e), e.File.Name
		return nil
	})
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	defer f.Close()
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(transfer))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	io.Copy(w, f)
	return nil, nil
}
