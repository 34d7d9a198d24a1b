package service_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/broadcast/chain"
	. "nym-socks5/internal/broadcast/service"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/mixnettest"
)

var errDown = errors.New("down")

// A fakeNode has the transactions that it took.
type fakeNode struct {
	mu      sync.Mutex
	has     map[broadcast.Hash]bool
	sent    []string // transactions, as often as they came
	times   []time.Time
	asked   int // of what it has
	down    error
	refuses bool
	takes   time.Duration // time that a call takes, once the node has the transaction
}

func (n *fakeNode) set(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (n *fakeNode) calls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sent)
}

func (n *fakeNode) wait(ctx context.Context) error {
	n.mu.Lock()
	takes := n.takes
	n.mu.Unlock()
	if takes == 0 {
		return nil
	}
	select {
	case <-time.After(takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *fakeNode) Send(ctx context.Context, tx []byte, h broadcast.Hash) (o chain.Outcome, err error) {
	n.set(func() {
		n.sent, n.times = append(n.sent, string(tx)), append(n.times, time.Now())
		switch {
		case n.down != nil:
			err = n.down
		case n.has[h]:
			o = chain.Outcome{Result: broadcast.Known, Reply: []byte("have it")}
		case n.refuses:
			o = chain.Outcome{Result: broadcast.Refused, Reply: []byte("no")}
		default:
			n.has[h] = true
			o = chain.Outcome{Result: broadcast.Accepted, Reply: fmt.Appendf(nil, "reply %d", len(n.sent))}
		}
	})
	if ended := n.wait(ctx); ended != nil {
		return chain.Outcome{}, ended
	}
	return o, err
}

func (n *fakeNode) Check(ctx context.Context, tx []byte, _ broadcast.Hash) (chain.Outcome, error) {
	return chain.Outcome{Result: broadcast.Acceptable, Reply: []byte("would")}, n.wait(ctx)
}

func (n *fakeNode) Look(ctx context.Context, h broadcast.Hash) (s chain.Sight, err error) {
	n.set(func() {
		n.asked++
		s, err = chain.Sight{Found: n.has[h], Confirmed: n.has[h], Reply: []byte(fmt.Sprint(n.has[h]))}, n.down
	})
	if ended := n.wait(ctx); ended != nil {
		return s, ended
	}
	return s, err
}

// A world is a service, its node, and those who ask.
type world struct {
	t     *testing.T
	pair  *mixnettest.Pair
	node  *fakeNode
	store Store
	cfg   Config
	log   bytes.Buffer
	logMu sync.Mutex
	stop  func() // ends the service

	mu   sync.Mutex
	came map[string][]broadcast.Answer // by id
	last int
}

func (w *world) Write(p []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(p)
}

func newWorld(t *testing.T, change func(*Config)) *world {
	w := &world{
		t: t, pair: mixnettest.NewPair(mixnettest.Options{Latency: 10 * time.Millisecond}),
		node: &fakeNode{has: make(map[broadcast.Hash]bool)}, store: NewMemoryStore(), came: make(map[string][]broadcast.Answer),
	}
	w.cfg = Config{
		Messenger: w.pair.B, Store: w.store, RetryFor: time.Hour, Log: zerolog.New(w),
		Chains: []Chain{
			{Chain: broadcast.Chain{Name: "post", Kind: broadcast.Post}, Node: w.node},
			{Chain: broadcast.Chain{Name: "bitcoin", Kind: broadcast.Bitcoin, Checks: true}, Node: w.node},
		},
	}
	if change != nil {
		change(&w.cfg)
	}
	go func() {
		for {
			m, err := w.pair.A.Receive(t.Context())
			if err != nil {
				return
			}
			a, err := broadcast.ParseAnswer(m.Body)
			if err != nil {
				t.Errorf("%q: %v", m.Body, err)
			}
			w.mu.Lock()
			w.came[a.ID] = append(w.came[a.ID], a)
			w.mu.Unlock()
		}
	}()
	w.start()
	t.Cleanup(func() {
		w.stop()
		w.pair.A.Close()
		w.pair.B.Close()
	})
	return w
}

// start starts a service, of which there is one at a time.
func (w *world) start() {
	w.t.Helper()
	s, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				w.t.Errorf("run: %v", err)
			}
		})
	}
}

// send sends a request, and gives its id.
func (w *world) send(tag mixnet.SenderTag, r broadcast.Request) string {
	w.t.Helper()
	w.last++
	r.ID = fmt.Sprint(w.last)
	b, err := r.AppendBinary(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.raw(tag, b)
	return r.ID
}

func (w *world) raw(tag mixnet.SenderTag, b []byte) {
	w.t.Helper()
	if err := w.pair.A.Send(w.t.Context(), w.pair.B.Address(), b, mixnet.SendOptions{As: tag}); err != nil {
		w.t.Fatal(err)
	}
}

// answers gives those that have come to a request.
func (w *world) answers(id string) []broadcast.Answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.came[id]
}

// want waits a while and wants one answer to a request.
func (w *world) want(id string, r broadcast.Result) broadcast.Answer {
	w.t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	got := w.answers(id)
	if len(got) != 1 || got[0].Result != r {
		w.t.Fatalf("request %s: got %+v, want one answer: %s", id, got, r)
	}
	return got[0]
}

// ask sends a request and wants one answer.
func (w *world) ask(tag mixnet.SenderTag, req broadcast.Request, r broadcast.Result) broadcast.Answer {
	w.t.Helper()
	return w.want(w.send(tag, req), r)
}

func post(tx string) broadcast.Request {
	return broadcast.Request{Do: broadcast.Broadcast, Chain: "post", Tx: []byte(tx)}
}

func later(tx string, mean time.Duration) broadcast.Request {
	r := post(tx)
	r.Delay = &mean
	return r
}

func statusOf(tx string) broadcast.Request {
	return broadcast.Request{Do: broadcast.Status, Chain: "post", Hash: sha256.Sum256([]byte(tx))}
}

// bitcoinTx makes a transaction of Bitcoin.
func bitcoinTx(t *testing.T) []byte {
	t.Helper()
	tx, err := hex.DecodeString("01000000" + "01" + strings.Repeat("11", 36) + "00" + "ffffffff" + "01" + "0100000000000000" + "00" + "00000000")
	if err != nil {
		t.Fatal(err)
	}
	return tx
}
