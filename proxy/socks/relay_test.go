package socks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/socksclient"
	"nym-socks5/proxy"
)

// each runs a test for every way in.
func each(t *testing.T, f func(t *testing.T, opening, reply string)) {
	t.Run("SOCKS5", func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, greet+connect5, chosen+ok5) }) })
	t.Run("SOCKS4", func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, connect4, ok4) }) })
	t.Run("HTTP", func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, connectH, okH) }) })
}

// socks.md §23.5: "a server that answers only after end of input, 60 s later".
func TestHalfCloseByApp(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{}, nil)
		w.service("192.0.2.8:8", func(c net.Conn) {
			all, _ := io.ReadAll(c)
			time.Sleep(time.Minute)
			c.Write(bytes.ToUpper(all))
		})
		w.mix.then = w.to("192.0.2.8:8")
		a := w.app()
		a.send(opening)
		a.want(reply)
		a.send("question")
		a.closeWrite()
		a.want("QUESTION")
		a.wantEnd()
	})
}

func TestHalfCloseByTarget(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{}, nil)
		got := make(chan string, 1)
		w.service("192.0.2.8:8", func(c net.Conn) {
			io.WriteString(c, "banner")
			c.(halfCloser).CloseWrite()
			all, _ := io.ReadAll(c)
			got <- string(all)
		})
		w.mix.then = w.to("192.0.2.8:8")
		a := w.app()
		a.send(opening)
		a.want(reply + "banner")
		a.wantEnd()
		time.Sleep(time.Minute)
		a.send("still talking")
		a.closeWrite()
		if s := <-got; s != "still talking" {
			t.Errorf("target got %q", s)
		}
	})
}

// What the application sends before the reply is held, and nothing of it is lost.
func TestDataBeforeTheReply(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{}, nil)
		echo := w.mix.then
		w.mix.then = func(ctx context.Context, target string, o proxy.DialOptions) (proxy.Stream, error) {
			time.Sleep(10 * time.Second)
			return echo(ctx, target, o)
		}
		early := string(pattern(100_000)) // more than is read ahead
		a := w.app()
		go io.WriteString(a, opening+early)
		a.want(reply + early)
		a.send("late")
		a.want("late")
	})
}

// An application that sent its request and half-closed waits for the answer.
func TestDataAndHalfCloseBeforeTheReply(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{}, nil)
		echo := w.mix.then
		w.mix.then = func(ctx context.Context, target string, o proxy.DialOptions) (proxy.Stream, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Second):
				return echo(ctx, target, o)
			}
		}
		a := w.app()
		a.send(opening + "question")
		a.closeWrite()
		a.want(reply + "question")
		a.wantEnd()
	})
}

// socks.md §20.2: "notice an app that vanishes while Dial waits".
func TestAppVanishesWhileDialing(t *testing.T) {
	each(t, func(t *testing.T, opening, _ string) {
		ended := make(chan time.Time, 1)
		w := newWorld(t, Config{}, func(ctx context.Context, target string, o proxy.DialOptions) (proxy.Stream, error) {
			<-ctx.Done()
			ended <- time.Now()
			return nil, ctx.Err()
		})
		a := w.app()
		a.send(opening)
		time.Sleep(time.Second)
		gone := time.Now()
		a.Close()
		if took := (<-ended).Sub(gone); took != 0 {
			t.Errorf("noticed after %v, want at once", took)
		}
		synctest.Wait()
		if got := w.srv.Stats().Active; got != 0 {
			t.Errorf("%d connections left", got)
		}
	})
}

// A stream that is opened although the application has gone is closed.
func TestAppVanishesButTheStreamOpens(t *testing.T) {
	each(t, func(t *testing.T, opening, _ string) {
		w := newWorld(t, Config{}, nil)
		echo := w.mix.then
		w.mix.then = func(_ context.Context, target string, o proxy.DialOptions) (proxy.Stream, error) {
			time.Sleep(10 * time.Second)
			return echo(context.Background(), target, o)
		}
		a := w.app()
		a.send(opening)
		synctest.Wait()
		a.Close()
		time.Sleep(20 * time.Second)
		if n := w.net.Conns("192.0.2.7:7"); n != 0 {
			t.Errorf("%d streams left open", n)
		}
	})
}

// A fakeStream fails or holds as told.
type fakeStream struct {
	net.Conn // nil: what is not overridden is not called
	read     func([]byte) (int, error)
	write    func([]byte) (int, error)
	done     chan struct{} // nil: never over by itself
	closed   chan struct{}
	aborted  atomic.Bool
	once     sync.Once
}

func (s *fakeStream) Read(b []byte) (int, error)  { return s.read(b) }
func (s *fakeStream) Write(b []byte) (int, error) { return s.write(b) }
func (s *fakeStream) CloseWrite() error           { return nil }
func (s *fakeStream) Done() <-chan struct{}       { return s.done }
func (s *fakeStream) Abort()                      { s.aborted.Store(true); s.Close() }
func (s *fakeStream) Reset()                      { s.Abort() }
func (s *fakeStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// When a stream takes no more, what comes the other way is still delivered.
func TestFailedWriteLosesNoAnswer(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		parts := []string{"an", "swer"}
		s := &fakeStream{
			closed: make(chan struct{}),
			write:  func([]byte) (int, error) { return 0, errors.New("peer takes no more") },
		}
		s.read = func(b []byte) (int, error) {
			if len(parts) == 0 {
				return 0, io.EOF
			}
			time.Sleep(5 * time.Second)
			n := copy(b, parts[0])
			parts = parts[1:]
			return n, nil
		}
		w := newWorld(t, Config{}, func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) { return s, nil })
		a := w.app()
		a.send(opening + "question")
		a.want(reply + "answer")
		a.wantEnd()
		<-s.closed
	})
}

// A stream that is over lets a silent application go, after delivering the rest.
func TestStreamThatIsOverEndsTheConnection(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		parts := []string{"la", "st words"}
		s := &fakeStream{done: make(chan struct{}), closed: make(chan struct{}), write: func(b []byte) (int, error) { return len(b), nil }}
		s.read = func(b []byte) (int, error) {
			if len(parts) == 0 {
				return 0, io.EOF
			}
			time.Sleep(5 * time.Second)
			n := copy(b, parts[0])
			parts = parts[1:]
			return n, nil
		}
		w := newWorld(t, Config{}, func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) { return s, nil })
		a := w.app()
		a.send(opening)
		a.want(reply)
		close(s.done)
		a.want("last words")
		a.wantEnd()
		<-s.closed
		synctest.Wait()
		if n := w.srv.Stats().Active; n != 0 {
			t.Errorf("%d connections left", n)
		}
		if s.aborted.Load() {
			t.Error("the stream was aborted")
		}
	})
}

// An application that half-closed, and for which nothing comes, is let go in the end.
func TestHalfClosedAndForgotten(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{}, nil)
		w.service("192.0.2.8:8", func(c net.Conn) { io.Copy(io.Discard, c); time.Sleep(time.Hour) })
		w.mix.then = w.to("192.0.2.8:8")
		a := w.app()
		a.send(opening)
		a.want(reply)
		a.send("question")
		a.closeWrite()
		time.Sleep(9*time.Minute + 50*time.Second)
		if n := w.srv.Stats().Active; n != 1 {
			t.Errorf("%d connections while an answer may come, want 1", n)
		}
		time.Sleep(20 * time.Second)
		if n := w.srv.Stats().Active; n != 0 {
			t.Errorf("%d connections left", n)
		}
	})
}

// An application that does not read holds a stream that is over for a limited time.
func TestStreamThatIsOverAndAStuckApp(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		s := &fakeStream{done: make(chan struct{}), closed: make(chan struct{})}
		s.read = func(b []byte) (int, error) { return len(b), nil } // more than any buffer
		w := newWorld(t, Config{}, func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) { return s, nil })
		a := w.app()
		a.send(opening)
		a.want(reply)
		synctest.Wait()
		close(s.done)
		time.Sleep(drainTimeout - time.Second)
		if n := w.srv.Stats().Active; n != 1 {
			t.Errorf("%d connections within the limit, want 1", n)
		}
		time.Sleep(2 * time.Second)
		if n := w.srv.Stats().Active; n != 0 {
			t.Errorf("%d connections left", n)
		}
	})
}

// A stream with ReadFrom and WriteTo copies by itself.
type selfCopying struct {
	*fakeStream
	from, to int
	got      chan []byte
}

func (s *selfCopying) ReadFrom(r io.Reader) (int64, error) {
	s.from++
	b, err := io.ReadAll(r)
	s.got <- b
	return int64(len(b)), err
}

func (s *selfCopying) WriteTo(w io.Writer) (int64, error) {
	s.to++
	n, err := w.Write([]byte("pushed"))
	return int64(n), err
}

func TestStreamsCopyThemselves(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		s := &selfCopying{fakeStream: &fakeStream{closed: make(chan struct{})}, got: make(chan []byte, 1)}
		w := newWorld(t, Config{}, func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) { return s, nil })
		a := w.app()
		a.send(opening)
		a.want(reply + "pushed")
		a.send("taken")
		a.closeWrite()
		a.wantEnd()
		<-s.closed
		if got := string(<-s.got); got != "taken" {
			t.Errorf("stream took %q", got)
		}
		if s.from != 1 || s.to != 1 {
			t.Errorf("ReadFrom %d times, WriteTo %d times, want once each", s.from, s.to)
		}
	})
}

// Relays half-close through a CloseWrite method, which wrappers must keep.
func TestAppSeesTheEndWhileItStillSends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, Config{}, nil)
		c, err := w.client(socksclient.V5).DialContext(t.Context(), "tcp", "example.org:443")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		data := pattern(1 << 20)
		go func() {
			c.Write(data)
			c.(halfCloser).CloseWrite()
		}()
		if got := readAll(t, c); got != string(data) {
			t.Errorf("%d bytes came back, want %d the same", len(got), len(data))
		}
	})
}

// socks.md §21.4: "An end that the socket caused has its place in the stream":
// what the target sent before it broke off is delivered, then the application's
// socket is reset.
func TestResetByTargetComesBehindItsAnswer(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		parts := []string{"an", "swer"}
		s := &fakeStream{closed: make(chan struct{}), write: func(b []byte) (int, error) { return len(b), nil }}
		s.read = func(b []byte) (int, error) {
			if len(parts) == 0 {
				return 0, proxy.ErrReset
			}
			n := copy(b, parts[0])
			parts = parts[1:]
			return n, nil
		}
		w := newWorld(t, Config{}, func(context.Context, string, proxy.DialOptions) (proxy.Stream, error) { return s, nil })
		a := w.app()
		a.send(opening + "question")
		a.want(reply + "answer")
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the answer ended with %v, want a reset", err)
		}
		<-s.closed
	})
}

// The same the other way: what the application sent reaches the target, and then
// that it broke off.
func TestResetByAppComesBehindItsData(t *testing.T) {
	each(t, func(t *testing.T, opening, reply string) {
		w := newWorld(t, Config{}, nil)
		got := make(chan string, 1)
		w.service("192.0.2.8:8", func(c net.Conn) {
			all, err := io.ReadAll(c)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the target read to %v, want a reset", err)
			}
			got <- string(all)
		})
		w.mix.then = w.to("192.0.2.8:8")
		a := w.app()
		a.send(opening)
		a.want(reply)
		a.send("last words")
		a.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
		a.Close()
		if s := <-got; s != "last words" {
			t.Errorf("the target got %q", s)
		}
	})
}
