package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// The figures of a directory with a large network. The yardstick is a handler of
// net/http that writes as many bytes and nothing else; those who ask take their
// part of the same cores in both.
var listsFigures = []Figure{
	{
		Name: "directory, topology of 1000 nodes", Unit: "answers/s", Goal: AtLeast(2000),
		Measure: func(l *Lab) (Value, error) {
			v, err := l.lists()
			return v.topology, err
		},
	},
	{
		Name: "directory, skimmed lists of 1000 nodes", Unit: "answers/s", Goal: AtLeast(2000),
		Measure: func(l *Lab) (Value, error) {
			v, err := l.lists()
			return v.skimmed, err
		},
	},
	{
		Name: "directory, requests of a client in a period without changes", Unit: "requests", Goal: AtMost(1),
		Measure: func(l *Lab) (Value, error) {
			v, err := l.lists()
			return Value{Measured: v.requests}, err
		},
	},
	{
		Name: "directory, bytes of a topology without changes, beside the first", Unit: "bytes", Goal: AtMost(1000),
		Measure: func(l *Lab) (Value, error) {
			v, err := l.lists()
			return v.bytes, err
		},
	},
}

// What a directory is asked.
const (
	topologyPath = "/v1/topology"
	mixnodesPath = "/v2/unstable/nym-nodes/skimmed/mixnodes/active?page=0"
	gatewaysPath = "/v2/unstable/nym-nodes/skimmed/entry-gateways?page=0"
)

// listsPeriod is the time between two topologies.
const listsPeriod = time.Second

// A listsPlan says how a directory is measured.
type listsPlan struct {
	nodes   int
	rounds  int           // of the directory and its yardstick in turn
	slice   time.Duration // how long each is asked in a round
	periods uint64        // how many a client follows it for
}

var usualLists = listsPlan{nodes: 1000, rounds: 5, slice: 300 * time.Millisecond, periods: 3}

// lists are the figures of one directory.
type lists struct {
	topology, skimmed Value
	requests          float64 // of one client in one period
	bytes             Value   // of one answer: unchanged, and the first
}

func (l *Lab) lists() (lists, error) {
	return once(l, "lists", func() (lists, error) { return usualLists.measure(l.ctx) })
}

// largeNetwork has n nodes: a tenth are gateways, the rest is in three layers.
func largeNetwork(n int) (nodes []directory.Node) {
	roles := []topology.Role{topology.RoleMix1, topology.RoleMix2, topology.RoleMix3}
	for i := range n {
		node := directory.Node{
			ID: uint32(i + 1), Role: roles[i%3], Identity: keys.NewIdentityKey().Public(),
			Hosts:   []netip.Addr{netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})},
			MixPort: 1789, Sphinx: keys.NewSphinxKey().Public(), Noise: keys.NewNoiseKey().Public(),
		}
		if i%10 == 9 {
			node.Role, node.Clients = topology.RoleGateway, directory.Clients{WS: 9000}
		}
		nodes = append(nodes, node)
	}
	return nodes
}

// measure runs a directory, and asks it.
func (plan listsPlan) measure(ctx context.Context) (v lists, err error) {
	const network = "bench"
	key := keys.NewIdentityKey()
	server, err := dirserver.New(dirserver.Config{
		Network: network, Key: key, Fixed: largeNetwork(plan.nodes), Period: listsPeriod, ReadRate: 1e9,
		Schedule: directory.Schedule{Start: time.Now().Add(-time.Hour), Duration: time.Hour, Validity: 8760, First: 8760},
	})
	if err != nil {
		return v, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(ctx) })
	g.Go(func() error {
		defer stop()
		select {
		case <-server.Ready():
		case <-ctx.Done():
			return ctx.Err()
		}
		if v.topology, err = plan.answers(ctx, server, topologyPath); err != nil {
			return err
		}
		if v.skimmed, err = plan.answers(ctx, server, mixnodesPath, gatewaysPath); err != nil {
			return err
		}
		v.requests, v.bytes, err = plan.unchanged(ctx, server, directory.ClientConfig{Network: network, Key: key.Public()})
		return err
	})
	err = g.Wait()
	return v, err
}

// answers gives how often a second documents can be had, in turn from the
// directory and from a handler that has only their bytes.
func (plan listsPlan) answers(ctx context.Context, server http.Handler, paths ...string) (v Value, err error) {
	bodies := make(map[string][]byte)
	for _, p := range paths {
		err := withWeb(server, func(url string) (err error) {
			bodies[p], err = get(ctx, http.DefaultClient, url+p)
			return err
		})
		if err != nil {
			return v, err
		}
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(bodies[r.URL.RequestURI()]) })
	var own, yard []float64
	for range plan.rounds {
		for _, side := range []struct {
			handler http.Handler
			rates   *[]float64
		}{{server, &own}, {bare, &yard}} {
			err := withWeb(side.handler, func(url string) error {
				n, err := plan.askAll(ctx, url, paths, bodies)
				*side.rates = append(*side.rates, n)
				return err
			})
			if err != nil {
				return v, err
			}
		}
	}
	return Value{Measured: median(own), Yardstick: median(yard)}, nil
}

// withWeb serves a handler on loopback for as long as use takes.
func withWeb(h http.Handler, use func(url string) error) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return withWebAt(ln, h, use)
}

func withWebAt(ln net.Listener, h http.Handler, use func(url string) error) error {
	srv := &http.Server{Handler: h}
	var web errgroup.Group
	web.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	err := use("http://" + ln.Addr().String())
	return errors.Join(err, srv.Close(), web.Wait())
}

// get gives a document.
func get(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the directory answers %s", resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// askAll asks for documents in turn, on a few connections that stay open, and
// gives the answers a second.
func (plan listsPlan) askAll(ctx context.Context, url string, paths []string, bodies map[string][]byte) (float64, error) {
	var n atomic.Int64
	began := time.Now()
	var clients errgroup.Group
	for range 2 * runtime.GOMAXPROCS(0) {
		clients.Go(func() error {
			transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			buf := make([]byte, 256<<10)
			for i := 0; time.Since(began) < plan.slice; i++ {
				path := paths[i%len(paths)]
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
				if err != nil {
					return err
				}
				resp, err := transport.RoundTrip(req)
				if err != nil {
					return err
				}
				size := 0
				for err == nil {
					var m int
					m, err = resp.Body.Read(buf)
					size += m
				}
				resp.Body.Close()
				if err != io.EOF || size != len(bodies[path]) {
					return fmt.Errorf("the directory answers %s with %d bytes, %w", resp.Status, size, err)
				}
				n.Add(1)
			}
			return nil
		})
	}
	err := clients.Wait()
	return float64(n.Load()) / time.Since(began).Seconds(), err
}

// unchanged lets a client of ours follow a directory for a few periods in which
// nothing changes, and counts what it asks for, and the bytes that it is sent.
func (plan listsPlan) unchanged(ctx context.Context, server *dirserver.Server, cfg directory.ClientConfig) (requests float64, bytes Value, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, bytes, err
	}
	var asked, sent atomic.Int64
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		server.ServeHTTP(w, r)
	})
	err = withWebAt(countedListener{ln, &sent}, counted, func(url string) error {
		web := dirhttp.New(nil)
		defer web.Close()
		cfg.URLs, cfg.Fetch = []string{url}, web.Fetch
		client, err := directory.NewClient(cfg)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var running errgroup.Group
		running.Go(func() error { return client.Run(ctx) })
		if _, err := client.Network(ctx); err != nil {
			stop()
			return errors.Join(err, running.Wait())
		}
		began, from := client.Head().Sequence, asked.Load()
		bytes.Yardstick = float64(sent.Load())
		for client.Head().Sequence < began+plan.periods && ctx.Err() == nil {
			time.Sleep(listsPeriod / 100)
		}
		n := float64(asked.Load() - from)
		requests = n / float64(client.Head().Sequence-began)
		bytes.Measured = (float64(sent.Load()) - bytes.Yardstick) / n
		stop()
		return running.Wait()
	})
	return requests, bytes, err
}

// A countedListener counts the bytes that are written to what it accepts.
type countedListener struct {
	net.Listener
	n *atomic.Int64
}

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{c, l.n}, nil
}

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b))) // before the far end can have it
	return c.Conn.Write(b)
}
