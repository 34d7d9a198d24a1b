package service

import (
	"context"

	"nym-socks5/internal/broadcast"
	"nym-socks5/mixnet"
)

// answers are those under way. The loop owns the numbers.
type answers struct {
	count, bytes int
}

// answer sends an answer to a client, if it may have one more.
func (l *loop) answer(to *clientState, a broadcast.Answer) {
	if to.tag.IsZero() {
		return // of before this process began
	}
	body, err := a.AppendBinary(nil)
	if err != nil {
		return // it has an id that is text, so there is none
	}
	if to.answers >= answersPerTag || to.unsent+len(body) > bytesPerTag ||
		l.out.count >= answersOfAll || l.out.bytes+len(body) > bytesOfAll {
		return
	}
	to.answers++
	to.unsent += len(body)
	l.out.count++
	l.out.bytes += len(body)
	l.run(func() event {
		life, cancel := context.WithTimeout(l.ctx, answerLife)
		defer cancel()
		over := make(chan struct{})
		o := mixnet.SendOptions{Lane: to.lane, Life: life, Done: func(error) { close(over) }}
		if l.cfg.Messenger.Reply(life, to.tag, body, o) == nil {
			select {
			case <-over:
			case <-l.ctx.Done():
			}
		}
		return func() {
			to.answers--
			to.unsent -= len(body)
			l.out.count--
			l.out.bytes -= len(body)
		}
	})
}
