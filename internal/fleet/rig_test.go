//go:build faults

package fleet

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
)

// healWithin is how long a network may take to work again after a part of it is
// up again. Nodes that changed keys are listed anew after two topologies, and
// clients wait a few seconds before they try their gateway again.
const healWithin = 45 * time.Second

// newDice gives what a test draws from. FAULTS_SEED repeats an earlier one.
func newDice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("FAULTS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FAULTS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// A rig is a network of the real programs that runs, and clients of it in this
// process.
type rig struct {
	*Network
	view *directory.Client
}

// newRig runs a network until the test ends. Logs are shown if it fails. Before
// is called when its files are there and nothing runs yet.
func newRig(t *testing.T, spec Spec, before ...func(*Network)) *rig {
	t.Helper()
	spec.Dir, spec.Programs, spec.Traffic = t.TempDir(), found(t), Fast
	n, err := Make(t.Context(), spec)
	must(t, err)
	for _, f := range before {
		f(n)
	}
	r := &rig{Network: n}
	key, err := keys.ParseIdentityText(n.DirectoryKey)
	must(t, err)
	web := dirhttp.New(nil)
	t.Cleanup(web.Close)
	r.view, err = directory.NewClient(directory.ClientConfig{
		Fetch: web.Fetch, URLs: []string{n.DirectoryURL}, Key: key, Network: n.Name, Noise: true,
	})
	must(t, err)

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Errorf("the network: %v", err)
		}
	})
	running.Go(func() {
		if err := r.view.Run(ctx); err != nil {
			t.Errorf("the snapshot of the network: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		if t.Failed() {
			r.showLogs(t)
		}
	})
	select {
	case <-n.Ready():
	case <-time.After(patience):
		t.Fatalf("the network is not up: %+v", n.List())
	}
	return r
}

// showLogs shows the ends of all logs.
func (r *rig) showLogs(t *testing.T) {
	const tail = 6000
	for _, p := range r.Parts {
		b, err := os.ReadFile(r.folder.log(p.Name))
		t.Logf("log of %s (%v):\n%s", p.Name, err, b[max(0, len(b)-tail):])
	}
}

// part gives a part by its name.
func (r *rig) part(t *testing.T, name string) Part {
	t.Helper()
	for _, p := range r.Parts {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no %s", name)
	return Part{}
}

// A person is a client of the network with keys and a memory that outlive it.
type person struct {
	rig     *rig
	cfg     client.Config
	address mixnet.Recipient
}

// newPerson makes one whose gateway is named.
func (r *rig) newPerson(t *testing.T, gateway string) *person {
	t.Helper()
	id, err := keys.ParseIdentityText(r.part(t, gateway).Identity)
	must(t, err)
	return &person{rig: r, cfg: client.Config{
		Entries:    []client.Entry{{Gateway: id, Identity: keys.NewIdentityKey()}},
		Encryption: keys.NewEncryptionKey(), Ack: keys.NewAck(), Store: client.NewMemoryStore(),
		Topology: r.view.Network, Refresh: time.Second,
		Dial: func(ctx context.Context, url string) (session.MessageConn, error) {
			return session.Dial(ctx, url, nil)
		},
		Traffic: client.Fast(), Log: zerolog.Nop(),
	}}
}

// online runs the client until the function that it gives is called.
func (p *person) online(t *testing.T) (c *client.Client, leave func()) {
	t.Helper()
	c, err := client.New(p.cfg)
	must(t, err)
	p.address = c.Address()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	leave = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("a client: %v", err)
		}
	})
	t.Cleanup(leave)
	select {
	case <-c.Ready():
	case <-time.After(healWithin):
		t.Fatal("a client does not reach its gateway")
	}
	return c, leave
}

// pause waits for a random time, at most so long.
func pause(dice *rand.Rand, longest time.Duration) {
	<-time.After(time.Duration(dice.Int64N(int64(longest))))
}
