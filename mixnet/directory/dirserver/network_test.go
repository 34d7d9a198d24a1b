package dirserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/internal/simnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// A town is a directory on a network in memory, with nodes that announce
// themselves and clients that read it.
type town struct {
	t     *testing.T
	net   *simnet.Network
	key   *keys.IdentityKey
	store *MemoryStore
	cfg   Config

	server *Server
	stop   func() // of the server
	count  int
}

const townAddr = "192.0.2.1:80"

func newTown(t *testing.T, change func(*Config)) *town {
	t.Helper()
	w := &town{t: t, net: simnet.New(), key: keys.NewIdentityKey(), store: NewMemoryStore()}
	w.net.SetLatency(5 * time.Millisecond)
	w.cfg = Config{
		Network: "town", Key: w.key, Store: w.store, Schedule: scheduleNow(),
		Allow: func(keys.Identity, directory.Role) bool { return true },
	}
	if change != nil {
		change(&w.cfg)
	}
	w.open()
	return w
}

// open starts the directory, again with what it stored.
func (w *town) open() {
	w.t.Helper()
	s, err := New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server = s
	stopLoop := runtest.Start(w.t, s.Run)
	stopHTTP := serveHTTP(w.t, w.net, townAddr, s)
	w.stop = func() { stopHTTP(); stopLoop() }
}

// serveHTTP serves a handler until the test ends or stop is called.
func serveHTTP(t *testing.T, n *simnet.Network, addr string, h http.Handler) (stop func()) {
	t.Helper()
	ln, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	return runtest.Start(t, func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { srv.Close() })()
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// fetcher makes requests from a host of its own.
func (w *town) fetcher() directory.Fetch {
	w.count++
	web := dirhttp.New(&http.Transport{DialContext: w.net.Host(fmt.Sprintf("203.0.113.%d", w.count)).DialContext, DisableCompression: true})
	w.t.Cleanup(web.Close)
	return web.Fetch
}

// A citizen is a node that announces itself.
type citizen struct {
	*announce.Announcer
	id   keys.Identity
	stop func()

	mu  sync.Mutex
	has [][2]announce.SphinxKey // what OnKeys was told
}

func (c *citizen) keys() [2]announce.SphinxKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has[len(c.has)-1]
}

func (w *town) join(role directory.Role, change func(*announce.Config)) *citizen {
	w.t.Helper()
	id := keys.NewIdentityKey()
	c := &citizen{id: id.Public()}
	said := testAnnouncement(id, role)
	said.Network, said.Sphinx = "town", nil
	cfg := announce.Config{
		URLs: []string{"http://" + townAddr}, Key: w.key.Public(), Identity: id, Announcement: said,
	}
	cfg.Fetch = w.fetcher()
	if role != directory.RoleRequester {
		cfg.Announcement.Hosts = []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, byte(w.count)})}
		cfg.Keyring = announce.NewKeyring()
		cfg.OnKeys = func(a, b announce.SphinxKey) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.has = append(c.has, [2]announce.SphinxKey{a, b})
			return nil
		}
	}
	if change != nil {
		change(&cfg)
	}
	a, err := announce.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Announcer = a
	c.stop = runtest.Start(w.t, a.Run)
	return c
}

func (w *town) settle(perLayer, gateways int) (all []*citizen) {
	w.t.Helper()
	for range 3 * perLayer {
		all = append(all, w.join(directory.RoleMixnode, nil))
		time.Sleep(100 * time.Millisecond)
	}
	for range gateways {
		all = append(all, w.join(directory.RoleGateway, nil))
	}
	return all
}

// reader starts a client.
func (w *town) reader(change func(*directory.ClientConfig)) *directory.Client {
	w.t.Helper()
	cfg := directory.ClientConfig{URLs: []string{"http://" + townAddr + "/api/"}, Key: w.key.Public(), Network: "town"}
	cfg.Fetch = w.fetcher()
	if change != nil {
		change(&cfg)
	}
	c, err := directory.NewClient(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	runtest.Start(w.t, c.Run)
	return c
}

// lists says which of the citizens a snapshot lists.
func listedOf(n *topology.Network, all []*citizen) (out []bool) {
	for _, c := range all {
		_, ok := n.Gateway(c.id)
		for layer := 1; layer <= 3; layer++ {
			ok = ok || slices.ContainsFunc(n.Layer(layer), func(e topology.Node) bool { return e.Identity == c.id })
		}
		out = append(out, ok)
	}
	return out
}

func wantListed(t *testing.T, what string, n *topology.Network, all []*citizen, want ...bool) {
	t.Helper()
	if n == nil {
		t.Fatalf("%s: no snapshot", what)
	}
	if got := listedOf(n, all); !slices.Equal(got, want) {
		t.Errorf("%s: listed %v, want %v", what, got, want)
	}
}

func TestNodesJoinAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		c := w.reader(nil)
		all := w.settle(1, 1)
		late := w.reader(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		for name, c := range map[string]*directory.Client{"early": c, "late": late} {
			n, err := c.Network(ctx)
			if err != nil {
				t.Fatalf("%s client: %v", name, err)
			}
			wantListed(t, name, n, all, true, true, true, true)
			if n.RotationID() != 25 || n.Epoch() != 100 {
				t.Errorf("%s: rotation %d, epoch %d", name, n.RotationID(), n.Epoch())
			}
			for _, g := range n.Gateways() {
				if g.Clients == "" || g.Noise.IsZero() {
					t.Errorf("%s: gateway %+v", name, g)
				}
			}
		}
		if st := all[0].State(); st.Layer != 1 || !st.Until.After(time.Now()) || st.Head.IsZero() {
			t.Errorf("state of a node %+v", st)
		}

		fifth := w.join(directory.RoleGateway, nil)
		all = append(all, fifth)
		time.Sleep(2 * DefaultPeriod)
		wantListed(t, "after a join", c.Current(), all, true, true, true, true, true)
		fifth.stop()
		time.Sleep(DefaultLease + 2*DefaultPeriod)
		wantListed(t, "after it left", c.Current(), all, true, true, true, true, false)
		// An hour later the rest is still there: leases are renewed.
		time.Sleep(time.Hour)
		wantListed(t, "an hour later", c.Current(), all, true, true, true, true, false)
		if got := c.View().Nodes[0].ID; got != 1 {
			t.Errorf("the first node has number %d now", got)
		}
	})
}

// nodes.md §3.7: "generate and pre-announce key r; at E make it the current key
// and keep the old one; at E+1 destroy the old key"
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, func(c *Config) {
			c.Schedule.Duration, c.Lease = 10*time.Minute, 5*time.Minute // a rotation lasts 40 minutes
		})
		all := w.settle(1, 1)
		c, nym := w.reader(nil), w.reader(func(c *directory.ClientConfig) { c.Key, c.Noise, c.Refresh = keys.Identity{}, true, 20*time.Second })
		time.Sleep(2 * time.Minute)
		// At any time over two changes, the snapshot's keys are those that the
		// nodes have for its rotation.
		for range 90 * 60 / 7 {
			time.Sleep(7 * time.Second)
			for name, n := range map[string]*topology.Network{"pinned": c.Current(), "plain": nym.Current()} {
				wantKeys(t, name, n, all)
			}
			if t.Failed() {
				t.Fatalf("at %v", time.Now())
			}
		}
		if got, want := c.Current().RotationID(), uint32(27); got != want {
			t.Errorf("rotation %d, want %d", got, want)
		}
		k := all[0].keys()
		if k[0].Rotation != 27 {
			t.Errorf("the node's key is of rotation %d", k[0].Rotation)
		}
		// Old secrets are wiped.
		first := all[0].has[0][0]
		if first.Rotation != 25 || *first.Key.Bytes() != [32]byte{} {
			t.Errorf("the secret of rotation %d is still there", first.Rotation)
		}
	})
}

// wantKeys checks that every node of a snapshot can open what is built by it.
func wantKeys(t *testing.T, what string, n *topology.Network, all []*citizen) {
	t.Helper()
	check := func(e topology.Node) {
		for _, c := range all {
			if c.id != e.Identity {
				continue
			}
			for _, k := range c.keys() {
				if k.Key != nil && k.Rotation == n.RotationID() && k.Key.Public() == e.Sphinx {
					return
				}
			}
			t.Errorf("%s: node %d has no key %v of rotation %d", what, e.ID, e.Sphinx, n.RotationID())
		}
	}
	for layer := 1; layer <= 3; layer++ {
		for _, e := range n.Layer(layer) {
			check(e)
		}
	}
	for _, e := range n.Gateways() {
		check(e)
	}
}

// A directory that is down changes nothing; one that comes back goes on where
// it was.
func TestDirectoryDownAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		all := w.settle(1, 1)
		c := w.reader(nil)
		time.Sleep(3 * time.Minute)
		before := c.Head()
		w.stop()
		time.Sleep(time.Hour)
		wantListed(t, "directory down", c.Current(), all, true, true, true, true)
		if n, err := c.Network(t.Context()); err != nil || n == nil {
			t.Errorf("directory down: %v", err)
		}
		w.open()
		time.Sleep(3 * time.Minute)
		wantListed(t, "directory back", c.Current(), all, true, true, true, true)
		if after := c.Head(); after.Sequence <= before.Sequence {
			t.Errorf("sequence %d, was %d before", after.Sequence, before.Sequence)
		}
		for i, n := range all {
			if !n.State().Until.After(time.Now()) {
				t.Errorf("node %d has no lease again", i)
			}
		}
	})
}

// hardening.md H24: "Clients keep the highest sequence seen": documents that
// were true once are not believed again.
func TestH24Rollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		time.Sleep(5 * time.Minute)
		recorded := make(map[string]*httptest.ResponseRecorder)
		for _, uri := range []string{directory.PathTopology, directory.PathHistory(w.server.Stats().Sequence)} {
			recorded[uri] = httptest.NewRecorder()
			w.server.ServeHTTP(recorded[uri], httptest.NewRequest(http.MethodGet, uri, nil))
		}
		serveHTTP(t, w.net, "192.0.2.4:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			old := recorded[r.URL.RequestURI()]
			if old == nil {
				http.NotFound(rw, r)
				return
			}
			rw.Header().Set(directory.SealHeader, old.Header().Get(directory.SealHeader))
			rw.Write(old.Body.Bytes())
		}))
		w.join(directory.RoleGateway, nil)
		time.Sleep(5 * time.Minute)
		c := w.reader(func(c *directory.ClientConfig) { c.URLs = append(c.URLs, "http://192.0.2.4") })
		time.Sleep(5 * time.Minute)
		head, gateways := c.Head(), len(c.Current().Gateways())
		if gateways != 2 {
			t.Fatalf("%d gateways, want 2", gateways)
		}
		w.stop() // now only the replayed document is there
		time.Sleep(10 * time.Minute)
		if got := c.Head(); got != head || len(c.Current().Gateways()) != gateways {
			t.Errorf("the client went from document %d to %d", head.Sequence, got.Sequence)
		}
		replayed := func(c *directory.ClientConfig) { c.URLs = []string{"http://192.0.2.4"} }
		fresh := w.reader(replayed)
		wise := w.reader(func(c *directory.ClientConfig) { replayed(c); c.Seen = head })
		time.Sleep(time.Minute)
		if fresh.Current() == nil {
			t.Error("the replayed document is no use even to one who knows nothing: the test shows nothing")
		}
		if wise.Current() != nil {
			t.Error("a client that remembers an earlier life believes an older document")
		}
	})
}

// A directory that lost its store numbers its documents anew: that is a fork,
// and those who know the old ones stop.
func TestH24LostStoreIsAFork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		time.Sleep(5 * time.Minute)
		cfg := directory.ClientConfig{URLs: []string{"http://" + townAddr}, Key: w.key.Public()}
		cfg.Fetch = w.fetcher()
		c, err := directory.NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { ended <- c.Run(ctx) }()
		time.Sleep(3 * time.Minute)
		w.stop()
		w.cfg.Store = NewMemoryStore()
		w.open()
		select {
		case err := <-ended:
			if !errors.Is(err, directory.ErrFork) {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(time.Hour):
			t.Error("the client goes on")
		}
	})
}

// hardening.md H24, its test: "two clients served two views".
func TestH24TwoClientsServedTwoViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		// A second face of the same directory: same key, same numbers, another
		// gateway.
		other := newTown(t, func(c *Config) { c.Key, c.Schedule = w.key, w.cfg.Schedule })
		other.key = w.key
		other.settle(1, 1)

		run := func(in *town) (*directory.Client, <-chan error) {
			cfg := directory.ClientConfig{URLs: []string{"http://" + townAddr}, Key: w.key.Public(), Network: "town"}
			cfg.Fetch = in.fetcher()
			c, err := directory.NewClient(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			t.Cleanup(cancel)
			go func() { ended <- c.Run(ctx) }()
			return c, ended
		}
		a, endedA := run(w)
		b, _ := run(other)
		time.Sleep(10 * time.Minute)
		if a.Current() == nil || b.Current() == nil {
			t.Fatal("no snapshots")
		}
		// What one's gateway states reaches the other through the mixnet.
		var heads []directory.Head
		for _, in := range []*town{w, other} {
			f, _ := in.server.published.Load().at(time.Now())
			heads = append(heads, f.head)
		}
		if heads[0].Sequence != heads[1].Sequence {
			t.Fatalf("sequences %d and %d: the test wants them equal", heads[0].Sequence, heads[1].Sequence)
		}
		time.Sleep(2 * time.Minute) // until both saw it
		if err := a.Compare(t.Context(), heads[0]); err != nil {
			t.Errorf("its own: %v", err)
		}
		// What a requester states is signed, and a document it has seen.
		stated, err := b.SignedHead(t.Context())
		for range 20 {
			if err == nil {
				break
			}
			time.Sleep(10 * time.Second) // it is news: the next document is fetched at a random time
			stated, err = b.SignedHead(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		heads[1] = stated
		if !stated.Verify(w.key.Public()) || b.Compare(t.Context(), stated) != nil || b.Head().Sequence < stated.Sequence {
			t.Errorf("it states document %d, and has seen %d", stated.Sequence, b.Head().Sequence)
		}
		time.Sleep(2 * time.Minute) // until the other saw that number
		forged := heads[1]
		forged.Signature[0] ^= 1
		if err := a.Compare(t.Context(), forged); !errors.Is(err, directory.ErrSignature) {
			t.Errorf("forged: %v", err)
		}
		if err := a.Compare(t.Context(), heads[1]); !errors.Is(err, directory.ErrFork) {
			t.Errorf("the other's: %v, want ErrFork", err)
		}
		select {
		case err := <-endedA:
			if !errors.Is(err, directory.ErrFork) {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Run goes on after a fork")
		}
		if _, err := a.Network(t.Context()); !errors.Is(err, directory.ErrFork) {
			t.Errorf("a snapshot is still given: %v", err)
		}
	})
}

// hardening.md H25: "the client sends the hash it computed itself"; H05: "refreshes are jittered".
func TestH25ClientsPollCheaply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		time.Sleep(time.Minute)
		var mu sync.Mutex
		var times []time.Duration
		var bodies int
		seen := &recorder{next: w.server, note: func(r *http.Request, status int) {
			mu.Lock()
			defer mu.Unlock()
			if r.URL.Path != directory.PathNext && r.URL.Path != directory.PathTopology {
				return
			}
			times = append(times, time.Since(time.Now().Truncate(DefaultPeriod)))
			if status == http.StatusOK {
				bodies++
			}
			if r.Header.Get("Cookie") != "" || r.UserAgent() != "nym-socks5" {
				t.Errorf("the request tells who asks: %v", r.Header)
			}
			if tag := r.Header.Get("If-None-Match"); tag == `"marked"` {
				t.Error("the client sends back the tag it was given")
			}
		}}
		serveHTTP(t, w.net, "192.0.2.2:80", seen)
		w.reader(func(c *directory.ClientConfig) { c.URLs = []string{"http://192.0.2.2"} })
		time.Sleep(30 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(times) < 27 || len(times) > 36 {
			t.Errorf("%d requests in half an hour of one-minute periods", len(times))
		}
		if bodies > 2 {
			t.Errorf("%d bodies were sent although nothing changed", bodies)
		}
		slices.Sort(times)
		if spread := times[len(times)-4] - times[4]; spread < 10*time.Second {
			t.Errorf("all requests come within %v of a period", spread)
		}
	})
}

// A recorder notes requests on their way, and marks the answers' tags.
type recorder struct {
	next http.Handler
	note func(r *http.Request, status int)
}

func (h *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := &marker{ResponseWriter: w, status: http.StatusOK}
	h.next.ServeHTTP(m, r)
	h.note(r, m.status)
}

type marker struct {
	http.ResponseWriter
	status int
}

func (m *marker) WriteHeader(status int) {
	m.status = status
	m.mark()
	m.ResponseWriter.WriteHeader(status)
}

func (m *marker) Write(b []byte) (int, error) {
	m.mark()
	return m.ResponseWriter.Write(b)
}

func (m *marker) mark() {
	m.Header().Set("ETag", `"marked"`)
	m.Header().Set("Set-Cookie", "id=1")
}

// Hostile directories and what a client with a pinned key makes of them.
func TestHostileDirectories(t *testing.T) {
	for name, spoil := range map[string]func(w http.ResponseWriter, r *http.Request, next http.Handler){
		"no seal": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			next.ServeHTTP(&editor{ResponseWriter: w, edit: func(h http.Header) { h.Del(directory.SealHeader) }}, r)
		},
		"a seal for another path": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.RequestURI, r.URL.RawQuery = "", "x"
			next.ServeHTTP(w, r)
		},
		"endless": func(w http.ResponseWriter, r *http.Request, _ http.Handler) { endless(w) },
		"redirects": func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "http://192.0.2.1"+r.URL.Path, http.StatusFound)
		},
		"empty": func(w http.ResponseWriter, r *http.Request, _ http.Handler) { w.WriteHeader(http.StatusOK) },
		"304":   func(w http.ResponseWriter, r *http.Request, _ http.Handler) { w.WriteHeader(http.StatusNotModified) },
		"hangs": func(w http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t, nil)
				all := w.settle(1, 1)
				time.Sleep(time.Minute)
				serveHTTP(t, w.net, "192.0.2.9:80", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { spoil(rw, r, w.server) }))
				bad := w.reader(func(c *directory.ClientConfig) { c.URLs = []string{"http://192.0.2.9"} })
				both := w.reader(func(c *directory.ClientConfig) { c.URLs = []string{"http://192.0.2.9", "http://" + townAddr} })
				time.Sleep(2 * time.Minute)
				if bad.Current() != nil {
					t.Error("it is believed")
				}
				wantListed(t, "with an honest one beside it", both.Current(), all, true, true, true, true)
			})
		})
	}
}

func endless(w http.ResponseWriter) {
	chunk := make([]byte, 1<<20)
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// An editor changes headers on their way.
type editor struct {
	http.ResponseWriter
	edit func(http.Header)
}

func (e *editor) WriteHeader(status int) { e.edit(e.Header()); e.ResponseWriter.WriteHeader(status) }
func (e *editor) Write(b []byte) (int, error) {
	e.edit(e.Header())
	return e.ResponseWriter.Write(b)
}

// Another key, another network, another clock.
func TestClientsBelieveOnlyTheirOwnDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		time.Sleep(time.Minute)
		for name, change := range map[string]func(*directory.ClientConfig){
			"another key":     func(c *directory.ClientConfig) { c.Key = keys.NewIdentityKey().Public() },
			"another network": func(c *directory.ClientConfig) { c.Network = "village" },
		} {
			c := w.reader(change)
			time.Sleep(time.Minute)
			if c.Current() != nil {
				t.Errorf("%s: believed", name)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := c.Network(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
		}
	})
}

// A plain Nym directory: no seals, no documents of ours, Noise keys on demand.
func TestPlainDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		all := w.settle(2, 2)
		time.Sleep(time.Minute)
		plain := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if !slices.Contains(nymPaths, r.URL.Path) {
				http.NotFound(rw, r)
				return
			}
			w.server.ServeHTTP(&editor{ResponseWriter: rw, edit: func(h http.Header) { h.Del(directory.SealHeader); h.Del("ETag") }}, r)
		})
		serveHTTP(t, w.net, "192.0.2.3:80", plain)
		change := func(c *directory.ClientConfig) {
			c.Key, c.Network, c.URLs = keys.Identity{}, "", []string{"http://192.0.2.3/"}
		}
		c := w.reader(change)
		node := w.reader(func(c *directory.ClientConfig) { change(c); c.Noise = true })
		n, err := c.Network(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantListed(t, "plain", n, all, true, true, true, true, true, true, true, true)
		if n.NoiseKey(n.Layer(1)[0].Addr) != (keys.Noise{}) {
			t.Error("Noise keys are known although nobody asked")
		}
		if n, err = node.Network(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n.NoiseKey(n.Layer(1)[0].Addr).IsZero() {
			t.Error("no Noise keys")
		}
		if s := c.View().Schedule; s.Validity != 4 || s.Duration != time.Hour {
			t.Errorf("schedule %+v", s)
		}
		all[7].stop()
		time.Sleep(15 * time.Minute)
		wantListed(t, "refreshed", c.Current(), all, true, true, true, true, true, true, true, false)
	})
}

func TestAnnouncerIsRefusedAndTriesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		open := false
		w := newTown(t, func(c *Config) {
			c.Allow = func(keys.Identity, directory.Role) bool { mu.Lock(); defer mu.Unlock(); return open }
		})
		n := w.join(directory.RoleMixnode, nil)
		time.Sleep(time.Minute)
		if !n.State().Until.IsZero() {
			t.Fatal("an unlisted node has a lease")
		}
		if st := w.server.Stats(); st.Refused < 4 || st.Refused > 9 {
			t.Errorf("it tried %d times in a minute, want about 6", st.Refused)
		}
		mu.Lock()
		open = true
		mu.Unlock()
		time.Sleep(20 * time.Second)
		if !n.State().Until.After(time.Now()) {
			t.Error("no lease after it was listed")
		}
	})
}

// nodes.md §4.11: "sequence grows with every announcement of an identity
// (persisted by both sides)"
func TestSequencesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		id := keys.NewIdentityKey()
		var mu sync.Mutex
		var saved []uint64
		identity := func(last uint64) func(*announce.Config) {
			return func(c *announce.Config) {
				c.Identity, c.Sequence = id, last
				c.Save = func(n uint64) error { mu.Lock(); defer mu.Unlock(); saved = append(saved, n); return nil }
			}
		}
		// One whose clock was far ahead in an earlier life.
		far := uint64(time.Now().Add(1000 * time.Hour).Unix())
		n := w.join(directory.RoleMixnode, identity(far))
		time.Sleep(time.Minute)
		n.stop()
		if !n.State().Until.After(time.Now().Add(-time.Minute)) || saved[0] != far+1 || !slices.IsSorted(saved) {
			t.Fatalf("sequences %v, want them from %d", saved, far+1)
		}
		// And one that has forgotten: the directory tells it.
		again := w.join(directory.RoleMixnode, identity(0))
		time.Sleep(time.Minute)
		if !again.State().Until.After(time.Now()) {
			t.Error("no lease for a node that forgot its sequence")
		}
	})
}

// Keys that the node cannot take into use are not announced.
func TestKeysAreUsedBeforeTheyAreAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		var mu sync.Mutex
		fails := 5
		n := w.join(directory.RoleMixnode, func(c *announce.Config) {
			c.OnKeys = func(announce.SphinxKey, announce.SphinxKey) error {
				mu.Lock()
				defer mu.Unlock()
				if fails--; fails >= 0 {
					return errors.New("disk full")
				}
				return nil
			}
		})
		time.Sleep(3 * time.Second)
		if !n.State().Until.IsZero() {
			t.Error("announced although the keys are not in use")
		}
		time.Sleep(20 * time.Second)
		if !n.State().Until.After(time.Now()) {
			t.Error("not announced after they are")
		}
	})
}

func TestRequesterJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, nil)
		w.settle(1, 1)
		c := w.reader(nil)
		req := w.join(directory.RoleRequester, nil)
		time.Sleep(2 * time.Minute)
		rs := c.View().Requesters
		if len(rs) != 1 || rs[0].Identity != req.id || len(rs[0].Addresses) != 1 {
			t.Errorf("requesters %+v", rs)
		}
	})
}
