package service

import (
	"time"

	"golang.org/x/time/rate"

	"nym-socks5/mixnet"
)

// clients are the sender tags that ask. The loop owns them.
type clients struct {
	perMinute int
	byTag     map[mixnet.SenderTag]*clientState
	lane      mixnet.Lane   // of the latest
	all       *rate.Limiter // of all requests
	newcomers *rate.Limiter // of tags that asked for nothing lately, beside that
	swept     time.Time
}

// clientState is what one tag has.
type clientState struct {
	tag     mixnet.SenderTag
	lane    mixnet.Lane // of its answers
	pace    *rate.Limiter
	used    time.Time
	answers int // under way
	unsent  int // bytes of them
	held    int64
	waits   int // requests before a node
}

func newClients(c Config) *clients {
	return &clients{
		perMinute: c.PerMinute,
		byTag:     make(map[mixnet.SenderTag]*clientState),
		all:       rate.NewLimiter(rate.Limit(c.PerSecond), c.PerSecond),
		newcomers: rate.NewLimiter(rate.Limit(c.PerSecond)/2, max(1, c.PerSecond/2)),
	}
}

// burst is how many requests a tag may make at once.
func (c *clients) burst() int { return max(2, c.perMinute*burstSeconds/60) }

// admit counts a request. If it is one too many, wait is when another may come; a nil
// state: the tag is not even remembered, and gets no answer.
func (c *clients) admit(tag mixnet.SenderTag, now time.Time) (s *clientState, wait time.Duration) {
	if s = c.byTag[tag]; s == nil {
		if len(c.byTag) >= maxClients && !c.forget(now) {
			return nil, 0
		}
		c.lane++
		s = &clientState{
			tag: tag, lane: c.lane,
			pace: rate.NewLimiter(rate.Limit(float64(c.perMinute)/60), c.burst()),
		}
		c.byTag[tag] = s
	}
	newcomer := s.pace.TokensAt(now) >= float64(c.burst())
	s.used = now
	if r := s.pace.ReserveN(now, 1); r.DelayFrom(now) > 0 {
		wait = r.DelayFrom(now)
		r.CancelAt(now)
		return s, wait
	}
	if c.all.AllowN(now, 1) || newcomer && c.newcomers.AllowN(now, 1) {
		return s, 0
	}
	return s, time.Second
}

// forget drops the tags that have nothing under way and their whole pace again; false:
// there are none. It looks at most once a second.
func (c *clients) forget(now time.Time) bool {
	if now.Sub(c.swept) < time.Second {
		return false
	}
	c.swept = now
	n := len(c.byTag)
	for tag, s := range c.byTag {
		if s.idle() && now.Sub(s.used) > burstSeconds*time.Second {
			delete(c.byTag, tag)
		}
	}
	return len(c.byTag) < n
}

// idle reports whether nothing of the tag's is under way.
func (s *clientState) idle() bool { return s.answers == 0 && s.held == 0 && s.waits == 0 }
