package dirserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nym-socks5/internal/admit"
	"nym-socks5/mixnet/directory"
)

// A Server is a directory: an http.Handler for clients and nodes, and a loop
// that decides what it says.
//
//	GET  ─▶ handler ──────── reads ───────▶ published: current and next snapshot
//	POST ─▶ handler ─ announcement ─▶ loop ─ publishes ─┘
//	                                   └── Store
//
// Requests that come before the loop runs, or after it has ended, are answered
// 503.
type Server struct {
	cfg       Config
	published atomic.Pointer[published]
	offers    chan offer    // unbuffered: the handler waits for the loop
	ready     chan struct{} // closed with the first snapshot in force
	once      sync.Once     // closes it
	ended     chan struct{}
	reads     *admit.Limiter
	writes    *admit.Limiter
	counters  counters
}

// published is what can be fetched: both snapshots, so that the switch happens on
// the tick of the clock whether or not the loop is awake.
type published struct{ current, next *snapshot }

func (f *published) at(now time.Time) (current, next *snapshot) {
	if f.next != nil && !now.Before(f.next.seal.ValidAfter) {
		return f.next, nil
	}
	return f.current, f.next
}

// counters count since the start.
type counters struct {
	requests, limited, accepted, refused atomic.Uint64
}

// New checks the configuration and makes a Server. It opens nothing; see
// [Server.Run].
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{
		cfg:    cfg,
		offers: make(chan offer),
		ready:  make(chan struct{}),
		ended:  make(chan struct{}),
		reads:  newLimiter(cfg.ReadRate, readBurst),
		writes: newLimiter(cfg.AnnounceRate, announceBurst),
	}, nil
}

// newLimiter bounds the requests of one address; burst is in seconds of the rate.
func newLimiter(rate float64, burst int) *admit.Limiter {
	return admit.New(admit.Limits{RatePerPrefix: rate, BurstPerPrefix: int(float64(burst)*rate) + 1, CountLoopback: true})
}

// peerOf is the address that a request came from.
func peerOf(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr()
}

// Ready is closed when there is something to be fetched: shortly after Run began.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// ServeHTTP implements [http.Handler]. No answer depends on who asks (H25).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.counters.requests.Add(1)
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", directory.SealHeader+", ETag")
	if r.Method == http.MethodOptions {
		// Nym's clients send odd content types, which makes browsers ask first.
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "*")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	now, limit := time.Now(), s.reads
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if path == directory.PathAnnounce {
		limit = s.writes
	}
	if !limit.Allow(s.cfg.Peer(r), now) {
		s.counters.limited.Add(1)
		h.Set("Retry-After", "1")
		h.Set("Connection", "close") // who asks too much holds no place besides (H23)
		fail(w, http.StatusTooManyRequests, directory.CodeBusy, "too many requests")
		return
	}
	f := s.published.Load()
	if f == nil {
		h.Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, directory.CodeBusy, "not ready")
		return
	}
	current, next := f.at(now)
	switch path {
	case directory.PathAnnounce:
		post(w, r, s.announce)
	case directory.PathRefresh:
		post(w, r, func(_ context.Context, body []byte) ([]byte, error) { return directory.Refresh(body) })
	case directory.PathByAddresses:
		post(w, r, func(_ context.Context, body []byte) ([]byte, error) { return current.view.ByAddresses(body) })
	case directory.PathNext:
		if next == nil {
			fail(w, http.StatusNotFound, directory.CodeNotFound, "the next topology is not issued yet")
			return
		}
		next.serve(w, r, directory.PathTopology)
	case directory.PathHeads:
		s.serveHistory(w, r, &published{current, next})
	default:
		current.serve(w, r, path)
	}
}

// serve answers with a document of the snapshot.
func (s *snapshot) serve(w http.ResponseWriter, r *http.Request, path string) {
	d := s.docs[path]
	if d == nil {
		fail(w, http.StatusNotFound, directory.CodeNotFound, "there is no such document")
		return
	}
	if readable(w, r) {
		s.write(w, r, d, s.sealFor(r.URL.RequestURI(), d))
	}
}

// readable answers requests that are not for reading.
func readable(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, "method", "documents are read")
		return false
	case len(r.URL.RequestURI()) > maxSignedPathLen:
		fail(w, http.StatusRequestURITooLong, "uri", "the path with its query is too long")
		return false
	}
	return true
}

// write answers with a sealed document.
func (s *snapshot) write(w http.ResponseWriter, r *http.Request, d *document, seal string) {
	h := w.Header()
	h.Set(directory.SealHeader, seal)
	h.Set("ETag", d.hash.ETag())
	h.Set("Cache-Control", "no-cache")
	if slices.ContainsFunc(r.Header.Values("If-None-Match"), func(v string) bool { return strings.Contains(v, d.hash.ETag()) }) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", fmt.Sprint(len(d.body)))
	if r.Method == http.MethodGet {
		w.Write(d.body)
	}
}

// post reads a bounded body and answers with JSON.
func post(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, body []byte) ([]byte, error)) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, "method", "this takes a POST")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusBadRequest, directory.CodeMalformed, "the body is too long or incomplete")
		return
	}
	answer, err := do(r.Context(), body)
	var refused *directory.Refusal
	switch {
	case errors.As(err, &refused):
		refuse(w, refused)
		return
	case err != nil:
		fail(w, http.StatusBadRequest, directory.CodeMalformed, "the request is malformed")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

// refuse answers with a refusal of an announcement.
func refuse(w http.ResponseWriter, r *directory.Refusal) {
	status := http.StatusBadRequest
	switch r.Code {
	case directory.CodeNotListed, directory.CodeNetwork, directory.CodeInvite:
		status = http.StatusForbidden
	case directory.CodeSequence, directory.CodeTaken:
		status = http.StatusConflict
	case directory.CodeUnreachable:
		status = http.StatusUnprocessableEntity
	case directory.CodeBusy:
		status = http.StatusServiceUnavailable
	}
	writeRefusal(w, status, r)
}

func fail(w http.ResponseWriter, status int, code, message string) {
	writeRefusal(w, status, &directory.Refusal{Code: code, Message: message})
}

func writeRefusal(w http.ResponseWriter, status int, r *directory.Refusal) {
	body, _ := json.Marshal(r) // strings and a number: cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// Stats count since the start, save those marked as of now.
type Stats struct {
	Requests uint64 // of any kind
	Limited  uint64 // refused for their rate
	Accepted uint64 // announcements
	Refused  uint64 // announcements
	Sequence uint64 // now: the snapshot in force
	Nodes    int    // now: nodes in it
	Routable bool   // now: packets can cross the network it describes
}

// Stats copies the counters out.
func (s *Server) Stats() Stats {
	st := Stats{
		Requests: s.counters.requests.Load(), Limited: s.counters.limited.Load(),
		Accepted: s.counters.accepted.Load(), Refused: s.counters.refused.Load(),
	}
	if f := s.published.Load(); f != nil {
		current, _ := f.at(time.Now())
		st.Sequence, st.Nodes, st.Routable = current.head.Sequence, len(current.view.Nodes), current.routable
	}
	return st
}

// View gives the network as it is published now; nil before the loop runs. The
// caller must not change it.
func (s *Server) View() *directory.View {
	f := s.published.Load()
	if f == nil {
		return nil
	}
	current, _ := f.at(time.Now())
	return current.view
}
