package endpoint

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
)

// While 16 MiB of letters wait, the next waits for room; each that is received makes
// some, and what came before the end is received after it.
func TestLettersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		l := newLetters(nil, ended)
		body := make([]byte, maxLetters/4)
		for range 4 {
			if err := l.put(t.Context(), mixnet.Message{Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		short, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.put(short, mixnet.Message{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one beyond the bound: %v", err)
		}
		put := make(chan error, 1)
		go func() { put <- l.put(t.Context(), mixnet.Message{Body: make([]byte, mixnet.MaxMessage)}) }()
		for range 4 {
			if m, err := l.Receive(t.Context()); err != nil || len(m.Body) != len(body) {
				t.Fatal(len(m.Body), err)
			}
		}
		if err := <-put; err != nil {
			t.Error(err)
		}
		close(ended)
		if m, err := l.Receive(t.Context()); err != nil || len(m.Body) != mixnet.MaxMessage {
			t.Errorf("the last: %d bytes, %v", len(m.Body), err)
		}
		if _, err := l.Receive(t.Context()); !errors.Is(err, mixnet.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// Many small letters never fill the channel before the bytes are counted full.
func TestSmallLettersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLetters(nil, nil)
		n := 0
		for ctx, cancel := context.WithTimeout(t.Context(), time.Second); ; n++ {
			if err := l.put(ctx, mixnet.Message{Body: []byte{1}}); err != nil {
				cancel()
				break
			}
		}
		if n != maxLetters/leastLetter || len(l.waiting) != n {
			t.Errorf("%d letters wait, %d in the channel", n, len(l.waiting))
		}
	})
}
