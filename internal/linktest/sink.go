package linktest

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/wire"
)

// An Arrival is a frame and when it came. Its packet is the test's.
type Arrival struct {
	wire.Frame
	At time.Time
}

// A Sink keeps the frames that come to a listener, until the test ends.
type Sink struct {
	stop func()

	mu  sync.Mutex // guards the following
	got []Arrival
}

// Listen makes a Sink of a listener; with a key, links must be Noise.
func Listen(t *testing.T, ln net.Listener, key *keys.NoiseKey) *Sink {
	t.Helper()
	s := new(Sink)
	server := link.NewServer(link.ServerConfig{Key: key, Serve: s.serve})
	s.stop = runtest.Start(t, func(ctx context.Context) error { return server.Run(ctx, ln) })
	return s
}

func (s *Sink) serve(_ context.Context, in *link.Inbound) {
	for {
		frames, err := in.Read()
		if err != nil {
			return
		}
		s.mu.Lock()
		for _, f := range frames {
			f.Packet = bytes.Clone(f.Packet)
			s.got = append(s.got, Arrival{f, time.Now()})
		}
		s.mu.Unlock()
	}
}

// Stop closes the links and the listener.
func (s *Sink) Stop() { s.stop() }

// Take waits so long, and until all else waits, and takes out what came.
func (s *Sink) Take(d time.Duration) []Arrival {
	time.Sleep(d)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}
