package ops

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// A Server answers about one program.
type Server struct {
	report func() Report
	token  [sha256.Size]byte // of the token
	open   *http.Server      // on a port: all but yes or no needs the token
	owner  *http.Server      // on the owner's socket

	mu     sync.Mutex
	counts []Count // of the last full minute
}

// New makes a Server. It is told how the program fares by report, which many
// goroutines call, and wants the token wherever others could ask too; an empty token
// lets nobody in there.
func New(report func() Report, token string) *Server {
	s := &Server{report: report, token: sha256.Sum256([]byte(token))}
	full := http.NewServeMux()
	full.HandleFunc("GET /healthz", s.health)
	full.HandleFunc("GET /readyz", s.ready)
	full.HandleFunc("GET /status.json", s.status)
	full.HandleFunc("GET /metrics", s.metrics)
	part := http.NewServeMux()
	part.HandleFunc("GET /healthz", s.health)
	part.HandleFunc("GET /readyz", s.ready)
	part.Handle("GET /", s.withToken(full, token != ""))
	s.owner, s.open = serving(full), serving(atHome(part))
	return s
}

func serving(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headersWithin, ReadTimeout: headersWithin, WriteTimeout: answerWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: maxHeader,
		// What clients do wrong is theirs to see; addresses stay out of logs (H38).
		ErrorLog: quiet(),
	}
}

// Run answers on both listeners, of which either may be nil, until ctx ends. It closes
// them.
func (s *Server) Run(ctx context.Context, port, socket net.Listener) error {
	s.count()
	var wg sync.WaitGroup
	errs := make(chan error, 2) // room for both
	serve := func(srv *http.Server, ln net.Listener) {
		if ln == nil {
			return
		}
		wg.Go(func() {
			if err := srv.Serve(netutil.LimitListener(ln, maxConns)); !errors.Is(err, http.ErrServerClosed) {
				errs <- fmt.Errorf("ops: %w", err)
			}
		})
	}
	serve(s.open, port)
	serve(s.owner, socket)
	defer wg.Wait()
	defer s.open.Close()
	defer s.owner.Close()
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.count()
		case err := <-errs:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// count reads the counters.
func (s *Server) count() {
	counts := s.report().Counts
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = counts
}

// counted gives the counters of the last minute; those of now while there were none,
// since the program has just started.
func (s *Server) counted() []Count {
	s.mu.Lock()
	counts := s.counts
	s.mu.Unlock()
	if counts != nil {
		return counts
	}
	s.count()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// atHome refuses requests that name another host than this machine: a web page whose
// name leads here (DNS rebinding) says its own.
func atHome(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
			http.Error(w, "this port answers to localhost, 127.0.0.1 and [::1] only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withToken lets those in who show the token: Authorization: Bearer TOKEN.
func (s *Server) withToken(next http.Handler, any bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		sum := sha256.Sum256([]byte(shown))
		if !any || !ok || subtle.ConstantTimeCompare(sum[:], s.token[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "show the token: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") }

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if r := s.report(); r.Waits != "" { // what for is not everybody's business
		answer(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	answer(w, http.StatusOK, "ready")
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", exposition)
	w.Header().Set("Cache-Control", "no-store")
	w.Write(appendMetrics(nil, s.counted()))
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// A Status is the answer at /status.json.
type Status struct {
	State string            `json:"state"`
	Since time.Time         `json:"since"`
	Up    time.Time         `json:"up"`
	Ready bool              `json:"ready"`
	Waits string            `json:"waits_for,omitempty"`
	Facts []StatusFact      `json:"facts"`
	Count map[string]uint64 `json:"counts"` // of the last full minute, by the names of metrics
}

// A StatusFact is one line for people.
type StatusFact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	r := s.report()
	st := Status{State: r.State, Since: r.Since, Up: r.Up, Ready: r.Waits == "", Waits: r.Waits, Facts: []StatusFact{}, Count: make(map[string]uint64)}
	for _, f := range r.Facts {
		st.Facts = append(st.Facts, StatusFact(f))
	}
	for _, n := range s.counted() {
		name := n.Name
		if n.Of != "" {
			name += "{" + n.Of + "=" + n.Label + "}"
		}
		st.Count[name] = uint64(n.Value)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(st)
}
