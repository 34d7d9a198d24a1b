package sessionserver

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"nym-socks5/mixnet/session"
)

// A watchdog closes a connection when its context ends and when the client is
// silent for too long. Once the session is live it pings instead, so that a
// client which vanished is noticed.
//
// It closes rather than letting reads time out, because a read that times out
// takes the connection with it and leaves no way to say why.
type watchdog struct {
	conn      session.MessageConn
	timer     *time.Timer
	keepAlive atomic.Int64 // mean time between pings; zero before the session is live
	heard     atomic.Bool  // since the timer fired last
	farewell  atomic.Pointer[[]byte]
}

func newWatchdog(conn session.MessageConn, patience time.Duration) *watchdog {
	return &watchdog{conn: conn, timer: time.NewTimer(patience)}
}

// expect gives the client that much time for its next message. If it lets
// it pass, farewell is sent before closing, unless it is nil.
func (w *watchdog) expect(patience time.Duration, farewell []byte) {
	w.farewell.Store(&farewell)
	w.timer.Reset(patience)
}

// pause stops the clock while the client waits for us.
func (w *watchdog) pause() { w.timer.Stop() }

// goLive begins to ping every now and then, or never if mean is negative.
func (w *watchdog) goLive(mean time.Duration) {
	w.keepAlive.Store(int64(mean))
	if mean < 0 {
		w.timer.Stop()
		return
	}
	w.timer.Reset(jitter(mean))
}

// hear notes that the client sent something.
func (w *watchdog) hear() { w.heard.Store(true) }

// jitter draws a duration between half of mean and one and a half of it (H05).
func jitter(mean time.Duration) time.Duration {
	return mean/2 + rand.N(mean)
}

func (w *watchdog) run(ctx context.Context) {
	defer w.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			c := closing{session.CloseGoingAway, "gateway stops"}
			errors.As(context.Cause(ctx), &c)
			w.conn.Close(c.code, c.why)
			return
		case <-w.timer.C:
		}
		mean := time.Duration(w.keepAlive.Load())
		if mean == 0 {
			w.sayFarewell(ctx)
			w.conn.Close(session.ClosePolicy, "too silent")
			return
		}
		if !w.heard.Swap(false) && w.ping(ctx) != nil && ctx.Err() == nil {
			w.conn.Close(session.ClosePolicy, "no answer to a ping")
			return
		}
		w.timer.Reset(jitter(mean))
	}
}

func (w *watchdog) sayFarewell(ctx context.Context) {
	if b := w.farewell.Load(); b != nil && *b != nil {
		ctx, cancel := context.WithTimeout(ctx, answerPatience)
		defer cancel()
		w.conn.Write(ctx, true, *b)
	}
}

func (w *watchdog) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	return w.conn.Ping(ctx)
}
