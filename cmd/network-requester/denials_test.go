package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/allowlist"
	"nym-socks5/proxy/requester"
)

// Refusals are counted in the log once a minute at most, and only if there are some.
func TestDenialsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer stop()
		var log bytes.Buffer
		var stats atomic.Pointer[requester.Stats]
		stats.Store(new(requester.Stats))
		refused, err := openRefusals(filepath.Join(t.TempDir(), refusedFile), false)
		if err != nil {
			t.Fatal(err)
		}
		go tellDenials(ctx, func() requester.Stats { return *stats.Load() }, refused, zerolog.New(&log))
		lines := func() int {
			time.Sleep(tellEvery + time.Second)
			synctest.Wait()
			return strings.Count(log.String(), "\n")
		}
		if lines() != 0 {
			t.Errorf("nothing happened, and the log says %s", &log)
		}
		stats.Store(&requester.Stats{Connected: 10})
		if lines() != 0 {
			t.Errorf("nothing was refused, and the log says %s", &log)
		}
		stats.Store(&requester.Stats{Denied: 3, DNS: 2, Connected: 14})
		noLine := &allowlist.DeniedError{Reason: allowlist.ReasonNoLine}
		refused.add("secret.example.org", 22, noLine)
		refused.add("secret.example.org", 80, noLine)
		refused.add("other.example.org", 80, noLine)
		if lines() != 1 || !strings.Contains(log.String(), `"denied":3,"failed":2,"connected":4,"denied_by":["2: no line allows it, port 80","1: no line allows it, port 22"]`) ||
			strings.Contains(log.String(), "example") {
			t.Errorf("the log says %s", &log)
		}
		stats.Store(&requester.Stats{Denied: 4, DNS: 2, Connected: 14})
		if lines() != 2 || !strings.Contains(log.String(), `"denied":1,"failed":0,"connected":0`) || lines() != 2 {
			t.Errorf("the log says %s", &log)
		}
	})
}
