package dirserver

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/runtest"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/mixnet/keys"
)

// A memo is what a client keeps between its lives, and its log.
type memo struct {
	mu    sync.Mutex
	saved []byte
	saves int
	log   bytes.Buffer
}

func (m *memo) save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved, m.saves = bytes.Clone(b), m.saves+1
	return nil
}

func (m *memo) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.Write(b)
}

func (m *memo) says(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Contains(m.log.Bytes(), []byte(text))
}

// A client starts with the topology that an earlier life kept while the directory
// is down, until that ends, and says so.
func TestStartWhileTheDirectoryIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		all := w.settle(1, 1)
		time.Sleep(15 * time.Minute) // until it has settled
		m := new(memo)
		life := func(change func(*directory.ClientConfig)) (*directory.Client, func()) {
			cfg := directory.ClientConfig{
				URLs: []string{"http://" + townAddr}, Key: w.key.Public(), Network: "town", Fetch: w.fetcher(),
				Saved: m.saved, Save: m.save, Log: zerolog.New(m),
			}
			if change != nil {
				change(&cfg)
			}
			c, err := directory.NewClient(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return c, runtest.Start(t, c.Run)
		}
		c, stop := life(nil)
		time.Sleep(40 * time.Minute) // within one epoch
		if m.saves != 1 {
			t.Errorf("a topology that does not change was kept %d times", m.saves)
		}
		seen := c.Head()
		stop()
		if m.saves != 2 {
			t.Errorf("at the end it was kept %d times, want the last one too", m.saves)
		}

		w.stop()
		begun := time.Now()
		c, stop = life(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n, err := c.Network(ctx)
		if err != nil || !c.Stale() || !m.says("starting with the kept one") {
			t.Fatalf("while the directory is down: %v, stale %v", err, c.Stale())
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		wantListed(t, "kept", n, all, true, true, true, true)
		if c.Head() != seen {
			t.Errorf("it knows of document %+v, and knew of %+v", c.Head(), seen)
		}
		w.open()
		time.Sleep(2 * time.Minute)
		if c.Stale() || c.Head().Sequence <= seen.Sequence {
			t.Errorf("the directory is back: stale %v, at document %d", c.Stale(), c.Head().Sequence)
		}
		stop()

		// What is kept is held against what is shown: an earlier document is refused.
		w.stop()
		for name, change := range map[string]func(*directory.ClientConfig){
			"another key":     func(c *directory.ClientConfig) { c.Key = keys.NewIdentityKey().Public() },
			"another network": func(c *directory.ClientConfig) { c.Network = "village" },
			"damaged":         func(c *directory.ClientConfig) { c.Saved = append(bytes.Clone(c.Saved), ' ') },
			"cut off":         func(c *directory.ClientConfig) { c.Saved = c.Saved[:100] },
		} {
			c, stop := life(change)
			time.Sleep(time.Minute)
			if c.Current() != nil || c.Head() != (directory.Head{}) {
				t.Errorf("%s: used", name)
			}
			stop()
		}
		if m.saves != 4 { // the second life kept its first and its last one
			t.Errorf("kept %d times, want 4", m.saves)
		}
		time.Sleep(DefaultValidFor)
		c, stop = life(nil)
		time.Sleep(time.Minute)
		if c.Current() != nil || !m.says("the kept one has ended") {
			t.Error("used beyond its end")
		}
		// Those who come after that are not deceived by it either.
		w.open()
		time.Sleep(2 * time.Minute)
		if c.Current() == nil && len(c.Head().Network) == 0 {
			t.Error("nothing after the directory is back")
		}
		stop()
	})
}

// A start costs no body when nothing has changed.
func TestUnchangedTopologyIsNotFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		time.Sleep(3 * time.Minute)
		m, bodies := new(memo), 0
		cfg := directory.ClientConfig{URLs: []string{"http://" + townAddr}, Key: w.key.Public(), Save: m.save}
		ask := w.fetcher()
		cfg.Fetch = func(ctx context.Context, r directory.Request) (directory.Response, error) {
			resp, err := ask(ctx, r)
			if len(resp.Body) > 0 && bytes.HasSuffix([]byte(r.URL), []byte(directory.PathTopology)) {
				bodies++
			}
			return resp, err
		}
		for range 3 {
			cfg.Saved = m.saved
			c, err := directory.NewClient(cfg)
			if err != nil {
				t.Fatal(err)
			}
			stop := runtest.Start(t, c.Run)
			if _, err := c.Network(t.Context()); err != nil || c.Stale() {
				t.Fatal(err, c.Stale())
			}
			stop()
			time.Sleep(10 * time.Minute)
		}
		if bodies != 1 {
			t.Errorf("%d bodies in three lives, want 1", bodies)
		}
	})
}

// A node starts while the directory is down, with the schedule that is known.
func TestNodeStartsWhileTheDirectoryIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.stop()
		var mu sync.Mutex
		var known directory.Schedule
		n := w.join(directory.RoleMixnode, func(c *announce.Config) {
			c.Schedule = func() directory.Schedule { mu.Lock(); defer mu.Unlock(); return known }
		})
		has := func() int { n.mu.Lock(); defer n.mu.Unlock(); return len(n.has) }
		time.Sleep(10 * time.Second)
		if has() != 0 {
			t.Fatal("it has keys of a schedule that nobody knows")
		}
		mu.Lock()
		known = w.cfg.Schedule
		mu.Unlock()
		time.Sleep(20 * time.Second)
		if has() != 1 || n.keys()[0].Rotation != 25 {
			t.Fatalf("it has %d pairs of keys", has())
		}
		w.open()
		time.Sleep(time.Minute)
		if !n.State().Until.After(time.Now()) {
			t.Error("it has no lease after the directory is back")
		}
	})
}
