package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

func TestDialFailures(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		tests := []struct {
			name string
			dial func(context.Context) error
			want Reason
			d    time.Duration
		}{
			// socks.md §21.2: "up to a limit (default 18 s …)"
			{"requester offline", func(ctx context.Context) error {
				_, err := w.client.Dial(ctx, w.A.Address(), "target.test:80", DialOptions{})
				return err
			}, ReasonNoAnswer, 18 * time.Second},
		}
		for _, tt := range tests {
			start := time.Now()
			err := tt.dial(t.Context())
			var open *OpenError
			if !errors.As(err, &open) || open.Reason != tt.want || time.Since(start) != tt.d {
				t.Errorf("%s: %v after %v, want %v after %v", tt.name, err, time.Since(start), tt.want, tt.d)
			}
		}
		// socks.md §6.1: "MUST reject targets whose text exceeds 255 + 6 bytes"
		for _, target := range []string{"", "host", "a:b:c", string(bytes.Repeat([]byte{'a'}, 256)) + ":65535"} {
			if _, err := w.client.Dial(t.Context(), w.B.Address(), target, DialOptions{}); err == nil {
				t.Errorf("dialed %q", target)
			}
		}
		longest := string(bytes.Repeat([]byte{'a'}, 255)) + ":65535"
		c, err := w.client.Dial(t.Context(), w.B.Address(), longest, DialOptions{})
		if err != nil {
			t.Fatalf("name of 255 bytes: %v", err)
		}
		c.Close()
	})
}

// socks.md §23: "Optimistic and strict replies for: success, refused,
// unreachable, policy denial, unknown name, NR offline."
func TestRefusals(t *testing.T) {
	for r := ReasonUnknown; r <= ReasonInternal; r++ {
		want := r
		if r == ReasonUnknown {
			want = ReasonInternal // a requester always knows more
		}
		t.Run(r.String(), func(t *testing.T) {
			serve := func(in *Incoming) {
				time.Sleep(time.Second) // so that the hello has come
				in.Reject(r)
			}
			inWorld(t, rough, Config{}, Config{}, serve, func(t *testing.T, w *world) {
				var open *OpenError
				if _, err := w.client.Dial(t.Context(), w.B.Address(), "target.test:80", DialOptions{}); !errors.As(err, &open) || open.Reason != want {
					t.Errorf("strict: got %v, want %v", err, want)
				}
				c := w.dial(DialOptions{Optimistic: true})
				start := time.Now()
				if _, err := c.Read(make([]byte, 1)); !errors.As(err, &open) || open.Reason != want {
					t.Errorf("optimistic: got %v, want %v", err, want)
				}
				// socks.md §21.2: "In optimistic mode a later failure MUST reset or
				// close the app's socket at once"
				if d := time.Since(start); d > 10*time.Second {
					t.Errorf("optimistic: failed after %v", d)
				}
				if _, err := c.Write([]byte("x")); !errors.As(err, &open) {
					t.Errorf("optimistic: wrote with %v", err)
				}
				c.Close()
			})
		})
	}
}

// Optimistic data overtake the Connect, or wait for it to be answered; little
// of them leaves before, so that the requester can keep it.
func TestOptimistic(t *testing.T) {
	serve := func(in *Incoming) {
		time.Sleep(10 * time.Second)
		echo(t)(in)
	}
	inWorld(t, rough, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		c := w.dial(DialOptions{Optimistic: true})
		data := noise(2 << 20)
		if got, err := exchange(c, data); err != nil || !bytes.Equal(got, data) {
			t.Errorf("got %d bytes, %v, want the %d sent", len(got), err, len(data))
		}
		c.Close()
	})
}

// An optimistic stream whose requester never answers ends, though late.
func TestOptimisticNoAnswer(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		c, err := w.client.Dial(t.Context(), w.A.Address(), "target.test:80", DialOptions{Optimistic: true})
		if err != nil {
			t.Fatal(err)
		}
		var open *OpenError
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, &open) || open.Reason != ReasonNoAnswer {
			t.Errorf("got %v, want %v", err, ReasonNoAnswer)
		}
		c.Close()
	})
}

// An application that gives up while its stream is being opened is noticed by
// the requester.
func TestDialAbandoned(t *testing.T) {
	var gone chan time.Time
	serve := func(in *Incoming) {
		<-in.Context().Done()
		gone <- time.Now()
		if _, err := in.Accept(); err == nil {
			t.Error("accepted a stream that was given up")
		}
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		gone = make(chan time.Time, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := w.client.Dial(ctx, w.B.Address(), "target.test:80", DialOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		start := time.Now()
		if d := (<-gone).Sub(start); d > time.Second {
			t.Errorf("noticed after %v", d)
		}
	})
}

// A server that answers and closes while the client still writes: the whole
// answer is read before a write fails.
func TestAnswerBeforeEndOfUpload(t *testing.T) {
	serve := func(in *Incoming) {
		c := accept(t, in)
		io.ReadFull(c, make([]byte, 1000))
		c.Write(noise(300_000))
		c.Close()
	}
	inWorld(t, rough, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		c := w.dial(DialOptions{})
		time.Sleep(3 * time.Second)
		failed := make(chan error, 1)
		go func() {
			for {
				if _, err := c.Write(noise(10_000)); err != nil {
					failed <- err
					return
				}
			}
		}()
		time.Sleep(time.Minute)
		select {
		case err := <-failed:
			t.Errorf("a write failed before the answer was read: %v", err)
		default:
		}
		if got, err := io.ReadAll(c); !bytes.Equal(got, noise(300_000)) || err != nil {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if err := <-failed; !errors.Is(err, ErrReset) {
			t.Errorf("write: %v, want %v", err, ErrReset)
		}
		c.Close()
	})
}

// Optimistic data and a full close before the stream was accepted: the data
// still reach the target.
func TestOptimisticFireAndForget(t *testing.T) {
	var got chan string
	serve := func(in *Incoming) {
		time.Sleep(5 * time.Second)
		c := accept(t, in)
		if c == nil {
			got <- ""
			return
		}
		b, _ := io.ReadAll(c)
		got <- string(b)
		c.Close()
	}
	inWorld(t, smooth, Config{}, Config{}, serve, func(t *testing.T, w *world) {
		got = make(chan string, 1)
		c := w.dial(DialOptions{Optimistic: true})
		c.Write([]byte("datagram of a kind"))
		time.Sleep(time.Second)
		c.Close()
		if b := <-got; b != "datagram of a kind" {
			t.Errorf("the target got %q", b)
		}
	})
}
