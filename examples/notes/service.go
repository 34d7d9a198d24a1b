package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"nym-socks5/mixnet"
)

// limits bound what strangers can make a service do.
type limits struct {
	store   int        // bytes of notes
	each    rate.Limit // requests a second of one sender tag, or of one address to answer to
	burst   int
	all     rate.Limit // requests a second of everybody
	senders int        // for how many of them it is remembered what they asked
	answers int64      // that wait to leave, in all
}

var defaultLimits = limits{store: 64 << 20, each: 2, burst: 20, all: 100, senders: 4096, answers: 64}

// answerLife is how long an answer is tried to be sent: whoever asked has asked again
// by then.
const answerLife = 2 * time.Minute

// A service answers requests. Senders are anonymous and cost nothing to make, so a
// bound for each of them is for those who do not mean harm, and the bounds of
// everybody are what holds.
type service struct {
	m      mixnet.Messenger
	store  *store
	limits limits
	log    zerolog.Logger

	secret  [32]byte // makes holders of senders
	all     *rate.Limiter
	senders map[holder]*sender
}

// A sender is what is remembered of one.
type sender struct {
	pace *rate.Limiter
	last time.Time
}

func newService(m mixnet.Messenger, s *store, l limits, log zerolog.Logger) *service {
	v := &service{m: m, store: s, limits: l, log: log, all: rate.NewLimiter(l.all, int(l.all)), senders: make(map[holder]*sender)}
	rand.Read(v.secret[:])
	return v
}

// run answers until ctx ends, then returns nil.
func (v *service) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	room := semaphore.NewWeighted(v.limits.answers)
	g.Go(func() error {
		next := time.Now()
		for {
			m, err := v.m.Receive(ctx)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				return err
			}
			now := time.Now()
			if !now.Before(next) {
				next = now.Add(time.Minute)
				if err := v.store.expire(now); err != nil {
					return err
				}
			}
			if !v.all.AllowN(now, 1) || !room.TryAcquire(1) {
				continue // who asked will ask again
			}
			send, err := v.answer(m, now)
			if err != nil {
				return err // of the disk
			}
			// One who does not take the answer must not hold up the others.
			g.Go(func() error {
				defer room.Release(1)
				ctx, cancel := context.WithTimeout(ctx, answerLife)
				defer cancel()
				if err := send(ctx); err != nil {
					v.log.Debug().Err(err).Msg("an answer was not sent")
				}
				return nil
			})
		}
	})
	return g.Wait()
}

// answer carries out the request in a message, and says how the answer is sent. It
// fails if the store does.
func (v *service) answer(m mixnet.Message, now time.Time) (send func(context.Context) error, err error) {
	nothing := func(context.Context) error { return nil }
	r, err := parseRequest(m.Body)
	if errors.Is(err, errNoRequest) || m.From.IsZero() && r.Answer == "" {
		return nothing, nil // there is nobody to answer
	}
	// A request under a tag is answered under it, whatever it says. So nobody can
	// have two answered by one.
	from := v.holder([]byte(r.Answer))
	if !m.From.IsZero() {
		from = v.holder(m.From[:])
	}
	var a answer
	switch {
	case !v.allow(from, now):
		err = errTooFast
	case err != nil:
	case r.Op == "put":
		a, err = v.store.put(r, from, now)
	case r.Op == "get":
		a, err = v.store.get(r.Name, now)
	case r.Op == "delete":
		err = v.store.delete(r.Key)
	}
	a.Notes, a.ID = 1, r.ID
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		a = answer{Notes: 1, ID: r.ID, Error: refused.code, About: refused.about}
	} else if err != nil {
		return nil, err
	}
	body, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		done := make(chan error, 1)
		// A lane each: senders take turns.
		o := mixnet.SendOptions{Lane: from.lane(), Life: ctx, Done: func(err error) { done <- err }}
		var err error
		if !m.From.IsZero() {
			err = v.m.Reply(ctx, m.From, body, o)
		} else if to, bad := mixnet.ParseRecipientText(r.Answer); bad != nil {
			return nil // parseRequest has refused it
		} else {
			err = v.m.Send(ctx, to, body, o)
		}
		if err != nil {
			return err
		}
		return <-done // the answer is with the sender's gateway, or will not get there
	}, nil
}

// holder makes the holder of a sender. It cannot be told from it who that is, once
// the service has ended.
func (v *service) holder(sender []byte) holder {
	h := hmac.New(sha256.New, v.secret[:])
	h.Write(sender)
	return holder(h.Sum(nil)[:8])
}

// lane is the send queue of a sender.
func (h holder) lane() mixnet.Lane { return mixnet.Lane(binary.BigEndian.Uint64(h[:]) | 1) }

// allow reports whether a sender may ask now.
func (v *service) allow(from holder, now time.Time) bool {
	s := v.senders[from]
	if s == nil {
		if len(v.senders) >= v.limits.senders {
			v.forget()
		}
		s = &sender{pace: rate.NewLimiter(v.limits.each, v.limits.burst)}
		v.senders[from] = s
	}
	s.last = now
	return s.pace.AllowN(now, 1)
}

// forget makes room for a sender: whoever was silent longest is forgotten.
func (v *service) forget() {
	var oldest holder
	var at time.Time
	for h, s := range v.senders {
		if at.IsZero() || s.last.Before(at) {
			oldest, at = h, s.last
		}
	}
	delete(v.senders, oldest)
}
