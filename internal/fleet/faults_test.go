//go:build faults

package fleet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/internal/socksclient"
)

// body gives the n bytes that the page n consists of.
func body(n int) []byte {
	b := make([]byte, n)
	seed := sha256.Sum256([]byte(strconv.Itoa(n)))
	rand.NewChaCha8(seed).Read(b)
	return b
}

// newTarget is a web server whose page /N has N bytes.
func newTarget(t *testing.T) (addr string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil || n > 1<<24 {
			http.Error(w, "no such page", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(n))
		w.Write(body(n))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// A stream of fetches goes through a proxy, one after the other.
type fetches struct {
	proxy, target string
	complete      atomic.Int64
	broken        atomic.Int64
	wrong         atomic.Int64
}

var errWrongBody = errors.New("the body is not what was sent")

// fetch gets the page of n bytes. It may fail, but what is complete must be right.
func (f *fetches) fetch(ctx context.Context, n int) error {
	ctx, stop := context.WithTimeout(ctx, healWithin)
	defer stop()
	d := socksclient.Dialer{Proxy: f.proxy}
	c := http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/%d", f.target, n), nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Equal(got, body(n)) {
		return errWrongBody
	}
	return nil
}

// run fetches pages until ctx ends.
func (f *fetches) run(ctx context.Context, dice *rand.Rand) {
	for ctx.Err() == nil {
		switch err := f.fetch(ctx, dice.IntN(200_000)); {
		case err == nil:
			f.complete.Add(1)
		case errors.Is(err, errWrongBody):
			f.wrong.Add(1)
		case ctx.Err() == nil:
			f.broken.Add(1)
			select { // a part is down: no need to ask again at once
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

// heals wants a page to come through within a time.
func (f *fetches) heals(t *testing.T, what string) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, stop := context.WithTimeout(t.Context(), healWithin)
	defer stop()
	for {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := f.fetch(once, 50_000)
		cancel()
		switch {
		case err == nil:
			return time.Since(began)
		case ctx.Err() != nil:
			t.Fatalf("nothing comes through %v after %s: %v", healWithin, what, err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// Fifty times a random part dies at a random moment under traffic and comes
// back: its state opens again, traffic flows again, and no download that
// completes, and no message that is acknowledged, is wrong, lost or doubled.
func TestFaultsKillAnything(t *testing.T) {
	const rounds = 50
	dice := newDice(t)
	target := newTarget(t)
	r := newRig(t, Spec{MixesPerLayer: 2, Client: anyPort, Rules: Rules{Allow: []string{target}}})
	f := &fetches{proxy: r.SOCKS.String(), target: target}
	f.heals(t, "the start")

	alice, leaveAlice := r.newPerson(t, "gateway-1").online(t)
	bob := r.newPerson(t, "gateway-2")
	c, leaveBob := bob.online(t)
	box, mail := collect(t, c), newPost()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var traffic sync.WaitGroup
	for range 2 {
		own := rand.New(rand.NewPCG(dice.Uint64(), 2))
		traffic.Go(func() { f.run(ctx, own) })
	}
	own := rand.New(rand.NewPCG(dice.Uint64(), 3))
	traffic.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if err := mail.send(ctx, alice, bob.address, fmt.Sprintf("%d %s", i, filler(own))); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})

	var slowest time.Duration
	for round := range rounds {
		name := r.Parts[dice.IntN(len(r.Parts))].Name
		pause(dice, 500*time.Millisecond)
		must(t, r.Kill(ctx, name))
		pause(dice, time.Second)
		began := time.Now()
		if err := r.Start(ctx, name); err != nil {
			t.Fatalf("round %d: %s does not come up again: %v", round, name, err)
		}
		up := time.Since(began)
		took := f.heals(t, name+" was started again")
		slowest = max(slowest, took)
		t.Logf("round %2d: %-10s up after %4d ms, a page after %5d ms", round, name, up.Milliseconds(), took.Milliseconds())
		if f.wrong.Load() > 0 {
			t.Fatal("a download completed with wrong bytes")
		}
		for _, i := range r.List() {
			if i.Deaths > 0 {
				t.Fatalf("%s died by itself", i.Name)
			}
		}
	}
	stop()
	traffic.Wait()
	mail.settled(t)
	acked := mail.acked()
	box.await(t, acked)
	t.Logf("%d downloads were complete, %d broke; %d messages were acknowledged; the slowest recovery took %v",
		f.complete.Load(), f.broken.Load(), len(acked), slowest.Round(time.Millisecond))
	if f.complete.Load() < rounds || len(acked) < rounds {
		t.Error("hardly any traffic: this shows nothing")
	}
	leaveBob()
	leaveAlice()
	<-box.done
}

// The proxy's gateway is gone for good in the middle of a download, which goes
// on through another one.
func TestFaultsGatewayIsGone(t *testing.T) {
	dice := newDice(t)
	target := newTarget(t)
	r := newRig(t, Spec{MixesPerLayer: 2, Rules: Rules{Allow: []string{target}}})
	f := &fetches{proxy: r.SOCKS.String(), target: target}
	f.heals(t, "the start")
	ended := make(chan error, 1)
	go func() { ended <- f.fetch(t.Context(), 8<<20) }()
	pause(dice, time.Second)
	must(t, r.Kill(t.Context(), "gateway-1"))
	began := time.Now()
	select {
	case err := <-ended:
		t.Fatalf("the download ended before the gateway did: %v", err)
	default:
	}
	if err := <-ended; err != nil {
		t.Fatalf("a download of 8 MB did not survive its gateway: %v", err)
	}
	t.Logf("the download ended %v after the gateway", time.Since(began).Round(time.Millisecond))
}
