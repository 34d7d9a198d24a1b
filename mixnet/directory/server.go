package directory

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
	"sync/atomic"
	"time"
)

// A Server is a directory: an http.Handler for clients and nodes, and a loop
// that decides what it says.
//
//	GET  ─▶ handler ──────── reads ───────▶ front: current and next snapshot
//	POST ─▶ handler ─ announcement ─▶ loop ─ publishes ─┘
//	                                   └── Store
//
// Requests that come before the loop runs, or after it has ended, are answered
// 503.
type Server struct {
	cfg      Config
	front    atomic.Pointer[front]
	offers   chan offer    // unbuffered: the handler waits for the loop
	ready    chan struct{} // closed with the first snapshot in force
	ended    chan struct{}
	reads    *limiter
	writes   *limiter
	counters counters
}

// front is what can be fetched: both snapshots, so that the switch happens on
// the tick of the clock whether or not the loop is awake.
type front struct{ current, next *snapshot }

func (f *front) at(now time.Time) (current, next *snapshot) {
	if f.next != nil && !now.Before(f.next.seal.ValidAfter) {
		return f.next, nil
	}
	return f.current, f.next
}

// counters count since the start.
type counters struct {
	requests, limited, accepted, refused atomic.Uint64
}

// NewServer checks the configuration and makes a Server. It opens nothing; see
// [Server.Run].
func NewServer(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{
		cfg:    cfg,
		offers: make(chan offer),
		ready:  make(chan struct{}),
		ended:  make(chan struct{}),
		reads:  newLimiter(cfg.ReadRate, int(3*cfg.ReadRate)+1),
		writes: newLimiter(cfg.AnnounceRate, int(10*cfg.AnnounceRate)+1),
	}, nil
}

// Ready is closed when there is something to be fetched: shortly after Run began.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// ServeHTTP implements [http.Handler]. No answer depends on who asks (H25).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.counters.requests.Add(1)
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", SealHeader+", ETag")
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
	if path == pathAnnounce {
		limit = s.writes
	}
	if !limit.allow(s.cfg.Peer(r), now) {
		s.counters.limited.Add(1)
		h.Set("Retry-After", "1")
		fail(w, http.StatusTooManyRequests, CodeBusy, "too many requests")
		return
	}
	f := s.front.Load()
	if f == nil {
		h.Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, CodeBusy, "not ready")
		return
	}
	current, next := f.at(now)
	switch path {
	case pathAnnounce:
		post(w, r, s.announce)
	case pathRefresh:
		post(w, r, refresh)
	case pathByAddresses:
		post(w, r, current.byAddresses)
	case pathNext:
		if next == nil {
			fail(w, http.StatusNotFound, "not-found", "the next topology is not issued yet")
			return
		}
		next.serve(w, r, pathTopology)
	default:
		current.serve(w, r, path)
	}
}

// serve answers with a document of the snapshot.
func (s *snapshot) serve(w http.ResponseWriter, r *http.Request, path string) {
	d := s.docs[path]
	switch {
	case d == nil:
		fail(w, http.StatusNotFound, "not-found", "there is no such document")
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, "method", "documents are read")
		return
	case len(r.URL.RequestURI()) > maxSignedPathLen:
		fail(w, http.StatusRequestURITooLong, "uri", "the path with its query is too long")
		return
	}
	h := w.Header()
	h.Set(SealHeader, s.sealFor(r.URL.RequestURI(), d))
	h.Set("ETag", d.hash.etag())
	h.Set("Cache-Control", "no-cache")
	if slices.ContainsFunc(r.Header.Values("If-None-Match"), func(v string) bool { return strings.Contains(v, d.hash.etag()) }) {
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
func post(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, body []byte) (any, error)) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, "method", "this takes a POST")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxAnnouncement))
	if err != nil {
		fail(w, http.StatusBadRequest, CodeMalformed, "the body is too long or incomplete")
		return
	}
	answer, err := do(r.Context(), body)
	var refused *Refusal
	switch {
	case errors.As(err, &refused):
		refused.write(w)
		return
	case err != nil:
		fail(w, http.StatusBadRequest, CodeMalformed, "the request is malformed")
		return
	}
	out, err := json.Marshal(answer)
	if err != nil {
		fail(w, http.StatusInternalServerError, "internal", "the answer cannot be written")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(out)
}

func refresh(_ context.Context, body []byte) (any, error) {
	var r nymRefresh
	if err := decode(body, &r); err != nil {
		return nil, err
	}
	if !r.verify() {
		return nil, fmt.Errorf("%w: refresh not signed by its node", ErrMalformed)
	}
	return nil, nil // JSON null: descriptions come with announcements
}

func (s *snapshot) byAddresses(_ context.Context, body []byte) (any, error) {
	var asked struct {
		Addresses []netip.Addr `json:"addresses"`
	}
	if err := decode(body, &asked); err != nil {
		return nil, err
	}
	return struct {
		Existence map[string]*uint32 `json:"existence"`
	}{s.view.byAddresses(asked.Addresses)}, nil
}

// refusalJSON is the body of every answer that is an error.
type refusalJSON struct {
	Error struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Sequence uint64 `json:"sequence,omitempty"`
	} `json:"error"`
}

func (r *Refusal) write(w http.ResponseWriter) {
	status := http.StatusBadRequest
	switch r.Code {
	case CodeNotListed, CodeNetwork:
		status = http.StatusForbidden
	case CodeSequence, CodeTaken:
		status = http.StatusConflict
	case CodeUnreachable:
		status = http.StatusUnprocessableEntity
	case CodeBusy:
		status = http.StatusServiceUnavailable
	}
	writeRefusal(w, status, r)
}

func fail(w http.ResponseWriter, status int, code, message string) {
	writeRefusal(w, status, &Refusal{Code: code, Message: message})
}

func writeRefusal(w http.ResponseWriter, status int, r *Refusal) {
	var j refusalJSON
	j.Error.Code, j.Error.Message, j.Error.Sequence = r.Code, r.Message, r.Sequence
	body, _ := json.Marshal(j) // strings and a number: cannot fail
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
	if f := s.front.Load(); f != nil {
		current, _ := f.at(time.Now())
		st.Sequence, st.Nodes, st.Routable = current.head.Sequence, len(current.view.Nodes), current.routable
	}
	return st
}

// View gives the network as it is published now; nil before the loop runs. The
// caller must not change it.
func (s *Server) View() *View {
	f := s.front.Load()
	if f == nil {
		return nil
	}
	current, _ := f.at(time.Now())
	return current.view
}
