package runtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A recorder is a test whose failures are kept, not reported.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		stop := Start(t, func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second) // it takes its time
			ended = true
			return nil
		})
		synctest.Wait()
		if ended {
			t.Fatal("it ended by itself")
		}
		stop()
		if !ended {
			t.Error("stop did not wait")
		}
		stop()

		r := &recorder{TB: t}
		stop = Start(r, func(context.Context) error { return errors.New("broken") })
		stop()
		if len(r.failures) != 1 || r.failures[0] != "Run: broken" {
			t.Errorf("failures %q", r.failures)
		}
	})
}

// What a test does not stop ends with it.
func TestStartEndsWithTheTest(t *testing.T) {
	ended := make(chan struct{})
	t.Run("inner", func(t *testing.T) {
		Start(t, func(ctx context.Context) error {
			<-ctx.Done()
			close(ended)
			return nil
		})
	})
	select {
	case <-ended:
	default:
		t.Error("it runs on")
	}
}

func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := Serve(t, ln, func(c net.Conn) { io.WriteString(c, "hello") })
	for range 2 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		c.Close()
	}
	stop()
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("it serves on")
	}
}
