//go:build faults

package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// A post is mail that was sent, and what became of it.
type post struct {
	mu    sync.Mutex
	sent  map[string]bool // true: acknowledged
	open  int             // neither acknowledged nor given up
	clear chan struct{}   // has room for one: open has become zero
}

func newPost() *post { return &post{sent: make(map[string]bool), clear: make(chan struct{}, 1)} }

// send sends one message, whose acknowledgement is noted.
func (p *post) send(ctx context.Context, from *client.Client, to mixnet.Recipient, body string) error {
	p.mu.Lock()
	p.sent[body] = false
	p.open++
	p.mu.Unlock()
	return from.Send(ctx, to, []byte(body), mixnet.SendOptions{Done: func(err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sent[body] = err == nil
		if p.open--; p.open == 0 {
			select {
			case p.clear <- struct{}{}:
			default:
			}
		}
	}})
}

// acked lists what was acknowledged so far.
func (p *post) acked() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]bool)
	for body, ok := range p.sent {
		if ok {
			all[body] = true
		}
	}
	return all
}

// settled waits until every message was acknowledged or given up.
func (p *post) settled(t *testing.T) {
	t.Helper()
	late := time.After(2 * healWithin)
	for {
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		if open == 0 {
			return
		}
		select {
		case <-p.clear:
		case <-late:
			t.Fatalf("%d messages are neither acknowledged nor given up", open)
		}
	}
}

// A letterbox is what one run of a client has received.
type letterbox struct {
	mu   sync.Mutex
	got  map[string]int
	news chan struct{} // has room for one
	done chan struct{} // closed when the client has ended
}

// collect receives until the client ends.
func collect(t *testing.T, c *client.Client) *letterbox {
	b := &letterbox{got: make(map[string]int), news: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for {
			m, err := c.Receive(context.Background())
			if err != nil {
				return
			}
			b.mu.Lock()
			if b.got[string(m.Body)]++; b.got[string(m.Body)] > 1 {
				t.Errorf("%.20q came %d times", m.Body, b.got[string(m.Body)])
			}
			b.mu.Unlock()
			select {
			case b.news <- struct{}{}:
			default:
			}
		}
	}()
	return b
}

// await waits until all of these have come.
func (b *letterbox) await(t *testing.T, want map[string]bool) {
	t.Helper()
	late := time.After(healWithin)
	for {
		var missing []string
		b.mu.Lock()
		for body := range want {
			if b.got[body] == 0 {
				number, _, _ := strings.Cut(body, " ")
				missing = append(missing, number)
			}
		}
		b.mu.Unlock()
		if len(missing) == 0 {
			return
		}
		select {
		case <-b.news:
		case <-late:
			t.Fatalf("of %d acknowledged messages these never came: %v", len(want), missing)
		}
	}
}

// filler makes messages of different sizes that fill one packet each.
func filler(dice *rand.Rand) string { return strings.Repeat("x", dice.IntN(1000)) }

// Mail whose acknowledgement went out while its client was away is never lost,
// and none reaches an application twice within one run of its client: the
// gateway is killed at a random moment around the acknowledgements, 12 times.
func TestFaultsMailOfKilledGateway(t *testing.T) {
	dice := newDice(t)
	r := newRig(t, Spec{MixesPerLayer: 1, Rules: Rules{Allow: []string{"a.org"}}})
	alice, _ := r.newPerson(t, "gateway-1").online(t)
	bob := r.newPerson(t, "gateway-2")
	_, leave := bob.online(t) // he registers
	leave()

	const rounds, letters = 12, 150
	const notices = 500 * time.Millisecond // how long a busy gateway may take to notice that a client left
	ackedLate := 0                         // in rounds in which the gateway was killed before all were
	for round := range rounds {
		mail := newPost()
		var bodies []string
		for i := range letters {
			bodies = append(bodies, fmt.Sprintf("%d.%d %s", round, i, filler(dice)))
		}
		var sending sync.WaitGroup
		sending.Go(func() {
			for _, body := range bodies {
				if err := mail.send(t.Context(), alice, bob.address, body); err != nil {
					t.Error(err)
				}
			}
		})
		pauseFor := time.Duration(dice.Int64N(int64(120 * time.Millisecond)))
		<-time.After(pauseFor)
		must(t, r.Kill(t.Context(), "gateway-2"))
		early := len(mail.acked())
		must(t, r.Start(t.Context(), "gateway-2"))
		sending.Wait()
		mail.settled(t)
		acked := mail.acked()
		if early < len(acked) {
			ackedLate++
		}
		t.Logf("round %d: killed after %v with %d of %d acknowledged, in the end %d", round, pauseFor, early, letters, len(acked))
		if len(acked) == 0 {
			t.Error("nothing was acknowledged")
		}

		c, leave := bob.online(t)
		box := collect(t, c)
		box.await(t, acked)
		// What comes behind the rest shows that there is no more of that.
		last := newPost()
		must(t, last.send(t.Context(), alice, bob.address, fmt.Sprintf("last of %d", round)))
		box.await(t, map[string]bool{fmt.Sprintf("last of %d", round): true})
		leave()
		<-box.done
		<-time.After(notices) // what comes until then it takes for delivered
	}
	if ackedLate == 0 {
		t.Error("the gateway was always killed too late: this shows nothing")
	}
}
