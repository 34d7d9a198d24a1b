package dirserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

func (s *testServer) history(from uint64) *directory.History {
	s.t.Helper()
	w := s.get(directory.PathHistory(from))
	if w.Code != http.StatusOK {
		return nil
	}
	seal, err := directory.ParseSeal(w.Header().Get(directory.SealHeader))
	if err != nil || !seal.Verify(s.key.Public(), directory.PathHistory(from), newDocument(w.Body.Bytes()).hash) {
		s.t.Errorf("history from %d: not sealed: %v", from, err)
	}
	h := new(directory.History)
	if err := json.Unmarshal(w.Body.Bytes(), h); err != nil {
		s.t.Fatal(err)
	}
	return h
}

// hardening.md H24: "shows its history by range, for 30 days at least"; nodes.md
// §4.11: "at most 4096 links".
func TestH24HistoryIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := NewMemoryStore()
		s := startServer(t, func(c *Config) { c.Store = store })
		s.everybody()
		time.Sleep(5*DefaultPeriod + time.Second)
		var head directory.Head
		if err := json.Unmarshal(s.get(directory.PathHead).Body.Bytes(), &head); err != nil {
			t.Fatal(err)
		}
		all := s.history(1)
		if all.Oldest != 1 || all.From != 1 || all.Before != (directory.Hash{}) || all.Newest < head.Sequence || len(all.Links) != int(all.Newest) {
			t.Fatalf("history %+v", all)
		}
		chain := directory.Hash{}
		for i, l := range all.Links[:head.Sequence] {
			if i == 2 {
				if got := s.history(3); got.From != 3 || got.Before != chain || len(got.Links) != len(all.Links)-2 {
					t.Errorf("from 3: %+v", got)
				}
			}
			chain = directory.Chain(chain, uint64(i+1), l)
		}
		if head.Chain != chain || head.Topology != all.Links[head.Sequence-1].Topology || !head.Verify(s.key.Public()) {
			t.Errorf("the head states another history: %+v", head)
		}
		if got := s.history(all.Newest + 1); got == nil || len(got.Links) != 0 || got.Before == (directory.Hash{}) {
			t.Errorf("from behind the newest: %+v", got)
		}
		if s.history(all.Newest+2) != nil {
			t.Error("there is a history of what is to come")
		}
		for _, bad := range []string{"", "?from=", "?from=0", "?from=-1", "?from=01", "?from=x", "?from=99999999999999999999"} {
			if w := s.get(directory.PathHeads + bad); w.Code != http.StatusBadRequest {
				t.Errorf("%q is answered with %d", bad, w.Code)
			}
		}
		if w := s.do(http.MethodPost, directory.PathHistory(1), ""); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST is answered with %d", w.Code)
		}

		// Of a long history an answer has a piece, and what is older than a month goes.
		last, err := store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at, end := time.Now(), last.Sequence+directory.MaxLinks+100
		for n := last.Sequence + 1; n < end; n++ {
			l := directory.Link{ValidAfter: at, Topology: directory.Hash{byte(n)}}
			h := directory.Head{Sequence: n, Topology: l.Topology, Chain: directory.Chain(last.Chain, n, l)}
			if err := store.PutHead(t.Context(), last, h, Entry{n, l, h.Chain, at}); err != nil {
				t.Fatal(err)
			}
			last = h
		}
		for _, from := range []uint64{1, 50} {
			h, err := s.Server.history(t.Context(), from, last.Sequence)
			if err != nil || h.From != from || len(h.Links) != directory.MaxLinks {
				t.Errorf("a long history from %d: %d links from %d, %v", from, len(h.Links), h.From, err)
			}
		}
		l := directory.Link{ValidAfter: at.Add(directory.KeepHistory + time.Second)}
		n := last.Sequence + 1
		if err := store.PutHead(t.Context(), last, directory.Head{Sequence: n, Chain: directory.Chain(last.Chain, n, l)}, Entry{n, l, directory.Chain(last.Chain, n, l), l.ValidAfter}); err != nil {
			t.Fatal(err)
		}
		h, err := s.Server.history(t.Context(), 1, n)
		if err != nil || h.Oldest != n+1 || h.From != n+1 || h.Before != directory.Chain(last.Chain, n, l) || len(h.Links) != 0 {
			t.Errorf("after a month: %+v, %v", h, err)
		}
	})
}

// Two directories on one store never sign two documents with one number: one of
// them publishes, the other one takes over when that has ended.
func TestH24TwoDirectoriesOnOneStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, key := NewMemoryStore(), keys.NewIdentityKey()
		start := func() (*testServer, func()) {
			s, err := New(Config{
				Network: "test", Key: key, Schedule: scheduleNow(), Store: store,
				Allow: func(keys.Identity, directory.Role) bool { return true },
			})
			if err != nil {
				t.Fatal(err)
			}
			stop := runtest.Start(t, s.Run)
			synctest.Wait()
			return &testServer{t, s, key, "203.0.113.99:1234"}, stop
		}
		first, _ := start()
		first.everybody()
		second, stopSecond := start()
		signed := make(map[uint64]directory.Hash)
		served := make(map[*testServer]int)
		look := func(every time.Duration, n int) {
			t.Helper()
			for range n {
				for _, s := range []*testServer{first, second} {
					for _, path := range []string{directory.PathTopology, directory.PathNext} {
						w := s.get(path)
						seal, err := directory.ParseSeal(w.Header().Get(directory.SealHeader))
						if w.Code != http.StatusOK || err != nil {
							continue
						}
						served[s]++
						hash := newDocument(w.Body.Bytes()).hash
						if other, ok := signed[seal.Sequence]; ok && other != hash {
							t.Errorf("two documents of sequence %d", seal.Sequence)
						}
						signed[seal.Sequence] = hash
					}
				}
				time.Sleep(every)
			}
		}
		look(10*time.Second, 60)
		clear(served)
		look(10*time.Second, 60)
		if served[first] != 0 || served[second] == 0 {
			t.Errorf("documents served: %d by the first, %d by the second; want the second only", served[first], served[second])
		}
		if w := first.announce(newTestNode(nil, directory.RoleMixnode)); w.Code != http.StatusServiceUnavailable {
			t.Errorf("an announcement to the first is answered with %d", w.Code)
		}
		stopSecond()
		for waited := time.Duration(0); first.View() == nil; waited += time.Second {
			if waited > 3*standbyPeriods*DefaultPeriod {
				t.Fatal("the first does not take over")
			}
			time.Sleep(time.Second)
		}
		if got := len(first.View().Nodes); got != 4 {
			t.Errorf("it took over with %d nodes, want the 4 of before", got)
		}
		look(10*time.Second, 30)
		all := first.history(1)
		for n, hash := range signed {
			if all.Links[n-1].Topology != hash {
				t.Errorf("document %d is not in the history", n)
			}
		}
	})
}

// hardening.md H24: a client that was away sees an unbroken chain, and one that
// is shown another one stops.
func TestH24ClientsFollowTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		time.Sleep(3 * time.Minute)
		c := w.reader(nil)
		time.Sleep(3 * time.Minute)
		seen := c.Head()
		if seen.Chain == (directory.Hash{}) {
			t.Fatalf("head %+v", seen)
		}
		time.Sleep(3 * time.Hour)
		run := func(change func(*directory.ClientConfig)) (*directory.Client, error) {
			cfg := directory.ClientConfig{URLs: []string{"http://" + townAddr}, Key: w.key.Public(), Network: "town", Seen: seen, Fetch: w.fetcher()}
			if change != nil {
				change(&cfg)
			}
			c, err := directory.NewClient(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			return c, c.Run(ctx)
		}
		back, err := run(nil)
		if now := c.Head(); err != nil || back.Head() != now || now.Sequence < seen.Sequence+100 {
			t.Errorf("after hours away: at document %d, %v; want %d", back.Head().Sequence, err, now.Sequence)
		}
		if _, err := run(func(c *directory.ClientConfig) { c.Seen.Chain[0]++ }); !errors.Is(err, directory.ErrFork) {
			t.Errorf("one that was shown another history: %v, want ErrFork", err)
		}
		// A directory that shows none is not believed.
		mute := serveHTTP(t, w.net, "192.0.2.8:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, directory.PathHeads) {
				http.NotFound(rw, r)
				return
			}
			w.server.ServeHTTP(rw, r)
		}))
		defer mute()
		if c, err := run(func(c *directory.ClientConfig) { c.URLs = []string{"http://192.0.2.8"} }); err != nil || c.Current() != nil {
			t.Errorf("without a history: %v, %v", err, c.Current() != nil)
		}

		// What others state is held against it, also long after.
		old := directory.Head{Network: "town", Sequence: seen.Sequence - 2}
		h := w.server.published.Load().current
		piece, err := w.server.history(t.Context(), old.Sequence, h.head.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		old.Topology, old.Chain = piece.Links[0].Topology, directory.Chain(piece.Before, old.Sequence, piece.Links[0])
		old.Sign(w.key)
		if err := back.Compare(t.Context(), old); err != nil {
			t.Errorf("a head of before: %v", err)
		}
		old.Chain[0]++
		old.Sign(w.key)
		if err := back.Compare(t.Context(), old); !errors.Is(err, directory.ErrFork) {
			t.Errorf("%v, want ErrFork", fmt.Sprint(err))
		}
	})
}
