//go:build faults

package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"nym-socks5/internal/socksclient"
)

// newTicker is a server that says a byte every ten milliseconds to everybody.
func newTicker(t *testing.T) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for {
					if _, err := c.Write([]byte{'.'}); err != nil {
						return
					}
					<-time.After(10 * time.Millisecond)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// open opens a stream for a user, and waits for its first byte.
func (r *rig) open(user, target string) (c net.Conn, took time.Duration, err error) {
	began := time.Now()
	ctx, stop := context.WithTimeout(context.Background(), healWithin)
	defer stop()
	d := socksclient.Dialer{Proxy: r.SOCKS.String(), User: user, Password: "x"}
	if c, err = d.DialContext(ctx, "tcp", target); err != nil {
		return nil, time.Since(began), err
	}
	c.SetReadDeadline(time.Now().Add(healWithin))
	_, err = c.Read(make([]byte, 1))
	return c, time.Since(began), err
}

// gap reads for a while, and says how long nothing came at most, or when the stream ended.
func gap(c net.Conn, lasts time.Duration) (longest time.Duration, err error) {
	end := time.Now().Add(lasts)
	b := make([]byte, 4096)
	for last := time.Now(); last.Before(end); {
		c.SetReadDeadline(time.Now().Add(healWithin))
		if _, err := c.Read(b); err != nil {
			return time.Since(last), err
		}
		longest, last = max(longest, time.Since(last)), time.Now()
	}
	return longest, nil
}

// A requester is killed: its streams are reset within ten seconds, those through the other
// one go on, the next connection of everybody is there within two seconds, and three seconds
// after its return it is used again.
func TestFaultsRequesterIsKilled(t *testing.T) {
	target := newTicker(t)
	r := newRig(t, Spec{MixesPerLayer: 2, Requesters: 2, Rules: Rules{Allow: []string{target}}})
	const users = 8
	type end struct {
		after time.Duration
		err   error
	}
	for round := range 5 {
		victim, other := "requester", "requester-2"
		if round%2 == 1 {
			victim, other = other, victim
		}
		ends := make(chan end, users)
		var began time.Time
		for i := range users {
			c, _, err := r.open(fmt.Sprintf("%d %d", round, i), target)
			must(t, err)
			go func() {
				defer c.Close()
				_, err := gap(c, 15*time.Second)
				ends <- end{time.Since(began), err}
			}()
		}
		began = time.Now()
		must(t, r.Kill(t.Context(), victim))
		var slowest time.Duration
		for i := range users {
			c, took, err := r.open(fmt.Sprintf("%d %d", round, i), target)
			if err != nil {
				t.Fatalf("round %d: the next connection: %v", round, err)
			}
			c.Close()
			slowest = max(slowest, took)
		}
		var reset, lived int
		var latest time.Duration
		for range users {
			switch e := <-ends; {
			case e.err == nil:
				lived++
			default:
				reset++
				latest = max(latest, e.after)
			}
		}
		must(t, r.Start(t.Context(), victim))
		up := time.Now()
		<-time.After(3 * time.Second)
		must(t, r.Kill(t.Context(), other))
		_, again, err := r.open(fmt.Sprintf("%d again", round), target)
		must(t, err)
		must(t, r.Start(t.Context(), other))
		<-time.After(3 * time.Second)
		t.Logf("round %d: %d streams were reset after at most %v, %d went on; the next connection took at most %v; after its return %v, %v since",
			round, reset, latest.Round(time.Millisecond), lived, slowest.Round(time.Millisecond), again.Round(time.Millisecond), time.Since(up).Round(time.Second))
		if latest > 10*time.Second || slowest > 2*time.Second || again > 2*time.Second || reset+lived != users {
			t.Error("too late")
		}
	}
}

// The requester's gateway, the proxy's own, or a mix is killed in the middle of a download: how
// long it is until the next byte.
func TestFaultsDownloadGoesOn(t *testing.T) {
	target := newTicker(t)
	for _, c := range []struct {
		parts []string // one after the other: the proxy is at one of two gateways
		most  time.Duration
	}{
		{[]string{"gateway-3"}, 5 * time.Second}, {[]string{"gateway-1", "gateway-2"}, 5 * time.Second},
		{[]string{"mix-2-1"}, 3 * time.Second}, {[]string{"mix-1-2"}, 3 * time.Second}, {[]string{"mix-3-1"}, 3 * time.Second},
	} {
		r := newRig(t, Spec{MixesPerLayer: 2, Gateways: 3, Rules: Rules{Allow: []string{target}}})
		for round := range 5 {
			stream, _, err := r.open("somebody", target)
			must(t, err)
			if before, err := gap(stream, 2*time.Second); err != nil || before > time.Second {
				t.Errorf("before: %v, %v", before, err)
			}
			for _, part := range c.parts {
				must(t, r.Kill(t.Context(), part))
				longest, err := gap(stream, 10*time.Second)
				t.Logf("%s is killed: the longest gap is %v", part, longest.Round(time.Millisecond))
				if err != nil || longest > c.most {
					t.Errorf("%s, round %d: %v, %v; want at most %v", part, round, longest, err, c.most)
				}
			}
			stream.Close()
			for _, part := range c.parts {
				must(t, r.Start(t.Context(), part))
			}
			<-time.After(15 * time.Second) // nodes are listed anew; the proxy is back at its gateway
		}
	}
}

// All gateways are dead: an application is told so, after three seconds, and then at once.
func TestFaultsNoNetwork(t *testing.T) {
	target := newTicker(t)
	r := newRig(t, Spec{MixesPerLayer: 1, Gateways: 3, Rules: Rules{Allow: []string{target}}})
	for range 5 {
		c, _, err := r.open("somebody", target)
		must(t, err)
		c.Close()
		for _, g := range []string{"gateway-1", "gateway-2", "gateway-3"} {
			must(t, r.Kill(t.Context(), g))
		}
		for i, most := range []time.Duration{6 * time.Second, 100 * time.Millisecond, 100 * time.Millisecond} {
			_, took, err := r.open("somebody", target)
			var reply *socksclient.ReplyError
			if !errors.As(err, &reply) || reply.Code != 3 || took > most {
				t.Errorf("connection %d: %v after %v, want reply 3 within %v", i, err, took, most)
			}
			t.Logf("connection %d: %v after %v", i, err, took.Round(time.Millisecond))
		}
		for _, g := range []string{"gateway-1", "gateway-2", "gateway-3"} {
			must(t, r.Start(t.Context(), g))
		}
		f := time.Now()
		for {
			c, _, err := r.open("somebody", target)
			if err == nil {
				c.Close()
				break
			}
			if time.Since(f) > healWithin {
				t.Fatalf("it does not heal: %v", err)
			}
			<-time.After(100 * time.Millisecond)
		}
		t.Logf("a connection %v after the gateways are up", time.Since(f).Round(time.Millisecond))
		<-time.After(12 * time.Second)
	}
}
