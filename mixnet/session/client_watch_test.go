package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
)

// A gateway that vanished without a word is noticed, and at once if asked for.
func TestSilentGateway(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			mine, _ := Pipe() // nobody reads the other end
			c := NewClient(mine, protocol.NewSealer(keys.SessionFromBytes([keys.SessionSize]byte{1})), protocol.Version, func([]byte) {})
			c.remaining.Store(claimBelow)
			began := time.Now()
			most := 3*silenceAfter/2 + pingPatience
			if asked {
				c.Check()
				most = checkPatience
			}
			if err := c.Run(t.Context()); !errors.Is(err, ErrSilent) {
				t.Errorf("asked %v: got %v, want %v", asked, err, ErrSilent)
			}
			if took := time.Since(began); took > most {
				t.Errorf("asked %v: it took %v, want %v at most", asked, took, most)
			}
		})
	}
}

// One that answers may be silent for as long as it likes.
func TestQuietGatewayIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := Pipe()
		c := NewClient(mine, protocol.NewSealer(keys.SessionFromBytes([keys.SessionSize]byte{1})), protocol.Version, func([]byte) {})
		c.remaining.Store(claimBelow)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for {
				if _, _, err := theirs.Read(context.Background()); err != nil {
					return
				}
			}
		}()
		time.AfterFunc(time.Hour, cancel)
		began := time.Now()
		if err := c.Run(ctx); err != nil || time.Since(began) != time.Hour {
			t.Errorf("the session ended after %v: %v", time.Since(began), err)
		}
	})
}

// What gateways say of a request with a wrong time, ours and others.
func TestRefusalsOfTheClock(t *testing.T) {
	for text, want := range map[string]bool{
		"request is dated too far from the gateway's clock": true,
		"the provided Timestamp is too far in the past":     true,
		"request is not newer than the last one":            false,
		"client is not registered":                          false,
	} {
		if got := errors.Is(&RefusedError{text}, ErrClock); got != want {
			t.Errorf("%q is of the clock: %v, want %v", text, got, want)
		}
	}
}

// An askedConn notes when it is asked whether the far end is there, and says yes.
type askedConn struct {
	MessageConn
	at []time.Time // owned by whoever asks, until the session is over
}

func (c *askedConn) Ping(context.Context) error {
	c.at = append(c.at, time.Now())
	return nil
}

// hardening.md H05: "Keep-alives and refreshes are jittered."
func TestH05SilentGatewaysAreAskedAtRandomTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, _ := Pipe()
		conn := &askedConn{MessageConn: mine}
		c := NewClient(conn, protocol.NewSealer(keys.SessionFromBytes([keys.SessionSize]byte{1})), protocol.Version, func([]byte) {})
		c.remaining.Store(claimBelow)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*silenceAfter, cancel)
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		gaps := make(map[time.Duration]bool)
		for i := 1; i < len(conn.at); i++ {
			gap := conn.at[i].Sub(conn.at[i-1])
			if gap < silenceAfter/2 || gap > 3*silenceAfter/2 {
				t.Errorf("%v between two questions, want %v to %v", gap, silenceAfter/2, 3*silenceAfter/2)
			}
			gaps[gap] = true
		}
		if n := len(conn.at); n < 70 || n > 140 || len(gaps) < n-5 {
			t.Errorf("%d questions with %d different gaps, want about 100", n, len(gaps))
		}
	})
}
