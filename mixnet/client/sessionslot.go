package client

import (
	"context"
	"sync"

	"nym-socks5/mixnet/session"
)

// A sessionSlot is where the senders find the session that is up.
type sessionSlot struct {
	mu   sync.Mutex
	live *session.Client
	up   chan struct{} // closed while there is a live one
}

func (s *sessionSlot) init() { s.up = make(chan struct{}) }

// set puts a session in place of the one there was.
func (s *sessionSlot) set(live *session.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		close(s.up)
	}
	s.live = live
}

// leave notes that a session has ended, if it is the one there is.
func (s *sessionSlot) leave(live *session.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == live {
		s.live, s.up = nil, make(chan struct{})
	}
}

// wait gives the live session, when there is one; false: ctx ended.
func (s *sessionSlot) wait(ctx context.Context) (*session.Client, bool) {
	for {
		s.mu.Lock()
		live, up := s.live, s.up
		s.mu.Unlock()
		if live != nil {
			return live, true
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, false
		}
	}
}
