package ops

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// ask makes a request of a handler, with headers in pairs.
func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Yes or no is for everybody; all else needs the token, at this machine's own names;
// the owner's socket needs neither.
func TestWhoIsAnswered(t *testing.T) {
	var waits atomic.Value
	waits.Store("a gateway")
	s := New(func() Report {
		return Report{State: "mixing", Waits: waits.Load().(string), Facts: []Fact{{"gateway", "5MmT"}}, Counts: []Count{{Name: "packets_total", Help: "Packets.", Value: 3}}}
	}, "secret")
	s.count()
	for _, tt := range []struct {
		path   string
		header []string
		want   int
	}{
		{"/healthz", nil, http.StatusOK},
		{"/readyz", nil, http.StatusServiceUnavailable},
		{"/metrics", nil, http.StatusUnauthorized},
		{"/status.json", nil, http.StatusUnauthorized},
		{"/nothing", nil, http.StatusUnauthorized},
		{"/metrics", []string{"Authorization", "Bearer secret"}, http.StatusOK},
		{"/status.json", []string{"Authorization", "Bearer secret"}, http.StatusOK},
		{"/nothing", []string{"Authorization", "Bearer secret"}, http.StatusNotFound},
		{"/metrics", []string{"Authorization", "Bearer secre"}, http.StatusUnauthorized},
		{"/metrics", []string{"Authorization", "secret"}, http.StatusUnauthorized},
		{"/healthz", []string{"Host", "attacker.example:9100"}, http.StatusForbidden},
		{"/metrics", []string{"Host", "attacker.example", "Authorization", "Bearer secret"}, http.StatusForbidden},
		{"/healthz", []string{"Host", "127.0.0.1:9100"}, http.StatusOK},
		{"/healthz", []string{"Host", "[::1]:9100"}, http.StatusOK},
		{"/healthz", []string{"Host", "203.0.113.1"}, http.StatusForbidden},
	} {
		if w := ask(s.open.Handler, http.MethodGet, tt.path, tt.header...); w.Code != tt.want {
			t.Errorf("%s %q: status %d %s, want %d", tt.path, tt.header, w.Code, w.Body, tt.want)
		}
	}
	if w := ask(s.open.Handler, http.MethodGet, "/readyz"); strings.Contains(w.Body.String(), "gateway") {
		t.Errorf("strangers are told what it waits for: %s", w.Body)
	}
	if w := ask(s.open.Handler, http.MethodPost, "/healthz"); w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusUnauthorized {
		t.Errorf("a POST is answered with %d", w.Code)
	}
	waits.Store("")
	if w := ask(s.open.Handler, http.MethodGet, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("ready: status %d", w.Code)
	}
	metrics := ask(s.owner.Handler, http.MethodGet, "/metrics").Body.String()
	if !strings.Contains(metrics, "# HELP nymsocks5_packets_total Packets.\n# TYPE nymsocks5_packets_total counter\nnymsocks5_packets_total 3\n") {
		t.Errorf("metrics:\n%s", metrics)
	}
	none := New(func() Report { return Report{} }, "")
	if w := ask(none.open.Handler, http.MethodGet, "/metrics", "Authorization", "Bearer "); w.Code != http.StatusUnauthorized {
		t.Errorf("without a token set, an empty one is answered with %d", w.Code)
	}
}

// hardening.md H38: "counters at one-minute steps": what is shown in between is what
// was read at the last step.
func TestH38CountersStandStillForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var packets atomic.Int64
		s := New(func() Report {
			return Report{Counts: []Count{{Name: "packets_total", Value: float64(packets.Load())}}}
		}, "secret")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, nil, nil) }()
		shows := func(want string) {
			t.Helper()
			synctest.Wait()
			for _, path := range []string{"/metrics", "/status.json"} {
				if got := ask(s.owner.Handler, http.MethodGet, path).Body.String(); !strings.Contains(got, want) {
					t.Errorf("%s shows %s, want %s", path, got, want)
				}
			}
		}
		shows("0")
		packets.Store(7)
		time.Sleep(countEvery - time.Second)
		for _, path := range []string{"/metrics", "/status.json"} {
			if got := ask(s.owner.Handler, http.MethodGet, path).Body.String(); strings.Contains(got, "7") {
				t.Errorf("%s shows a packet within the minute: %s", path, got)
			}
		}
		time.Sleep(2 * time.Second)
		shows("7")
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The owner's socket answers, whatever an earlier run left; where nobody runs, that
// is told.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ops.sock")
	if _, err := Ask(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	left, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	left.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	left.Close()
	if _, err := Ask(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a socket that nobody listens on: %v", err)
	}
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, mode %v", err, info.Mode())
	}
	up := time.Now().UTC().Truncate(time.Second)
	s := New(func() Report {
		return Report{State: "mixing", Since: up, Up: up, Facts: []Fact{{"layer", "2"}}, Counts: []Count{{Name: "drops_total", Of: "reason", Label: "replay", Value: 2}}}
	}, "")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, nil, ln) }()
	st, err := Ask(t.Context(), path)
	if err != nil || st.State != "mixing" || !st.Ready || !st.Since.Equal(up) || len(st.Facts) != 1 || st.Facts[0].Value != "2" || st.Count["drops_total{reason=replay}"] != 2 {
		t.Errorf("%+v, %v", st, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Ask(t.Context(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := Listen(filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath))); !errors.Is(err, ErrPathTooLong) {
		t.Errorf("a long path: %v", err)
	}
}

// What is shown is what Prometheus' own parser reads: every number, with its label and
// kind.
func TestMetricsAreRead(t *testing.T) {
	counts := []Count{
		{Name: "packets_total", Help: `Packets, "all" of C:\ and more.`, Value: 12345678901},
		{Name: "drops_total", Help: "Drops.\nBy reason.", Of: "reason", Label: "a \"b\" \\ c\n", Value: 1},
		{Name: "clients", Help: "Clients.", Gauge: true, Value: 0.5},
		{Name: "drops_total", Help: "Another help.", Of: "reason", Label: "replay", Value: 2},
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(appendMetrics(nil, counts)))
	if err != nil || len(families) != 3 {
		t.Fatalf("%v: %v", err, families)
	}
	for _, n := range counts {
		f := families[prefix+n.Name]
		found := false
		for _, m := range f.GetMetric() {
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if (m.GetGauge() != nil) == n.Gauge && v == n.Value && (n.Of == "" || m.GetLabel()[0].GetName() == n.Of && m.GetLabel()[0].GetValue() == n.Label) {
				found = true
			}
		}
		if !found {
			t.Errorf("%+v is read as %v", n, f)
		}
	}
	if help := families[prefix+"packets_total"].GetHelp(); help != counts[0].Help {
		t.Errorf("the help is read as %q", help)
	}
}

// Connections beyond the bound wait; those that say nothing are closed.
func TestPortIsNotHeld(t *testing.T) {
	s := New(func() Report { return Report{} }, "secret")
	for _, srv := range []*http.Server{s.open, s.owner} {
		if srv.ReadHeaderTimeout == 0 || srv.WriteTimeout == 0 || srv.IdleTimeout == 0 || srv.MaxHeaderBytes == 0 || srv.ErrorLog == nil || srv.ErrorLog.Writer() != io.Discard {
			t.Errorf("a bound is missing: %+v", srv)
		}
	}
}
