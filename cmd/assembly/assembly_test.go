package assembly

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/topology"
)

// A part is a node of the network that tests use, with its keys.
type part struct {
	keys cli.Keys
	node directory.Node
}

// parts makes a network of three mixes and two gateways.
func parts() []part {
	var all []part
	for i, role := range []topology.Role{1, 2, 3, topology.RoleGateway, topology.RoleGateway} {
		ks := cli.Keys{Identity: keys.NewIdentityKey(), Sphinx: keys.NewSphinxKey(), Noise: keys.NewNoiseKey()}
		n := directory.Node{
			ID: uint32(i + 1), Role: role, Identity: ks.Identity.Public(), Sphinx: ks.Sphinx.Public(), Noise: ks.Noise.Public(),
			Hosts: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})}, MixPort: 1789,
		}
		if role == topology.RoleGateway {
			n.Clients.WS = 9000
		}
		all = append(all, part{ks, n})
	}
	return all
}

func nodesOf(parts []part) (all []directory.Node) {
	for _, p := range parts {
		all = append(all, p.node)
	}
	return all
}

// topologyFile writes the network's file.
func topologyFile(t *testing.T, parts []part) string {
	t.Helper()
	v := directory.View{Epoch: 8760, Rotation: 1, Nodes: nodesOf(parts)}
	b, err := v.AppendFile(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "topology.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func state(t *testing.T) *cli.State {
	t.Helper()
	s, _, err := cli.OpenState(t.TempDir(), cli.Upgrade{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSourceOfFile(t *testing.T) {
	path := topologyFile(t, parts())
	src, err := OpenSource(config.Network{Topology: config.Path(path)}, nil, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	n, err := src.Topology(t.Context())
	if err != nil || len(n.Gateways()) != 2 || n != src.Current() {
		t.Fatalf("got %v, %v", n, err)
	}
	for text, want := range map[string]bool{"192.0.2.1": true, "::ffff:192.0.2.5": true, "192.0.2.6": false} {
		if got := src.HasAddr(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is a node's: %v, want %v", text, got, want)
		}
	}
	// Another file of the same name: read when told to, and while it is good.
	other := parts()
	b, err := os.ReadFile(topologyFile(t, other))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	reload, done := make(chan struct{}), make(chan error)
	go func() { done <- src.Run(ctx, reload, zerolog.Nop(), notice(stop)) }()
	reload <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, ok := src.Current().Gateway(other[3].node.Identity); !ok {
		t.Error("the file was not read again")
	}
}

// notice is a file that stops a test when it is read again; the others are read
// by then, or will be before Run returns.
type notice func()

func (n notice) Reread() error { n(); return nil }

func TestSourceOfDirectory(t *testing.T) {
	all := parts()
	key := keys.NewIdentityKey()
	server, err := dirserver.New(dirserver.Config{
		Network: "testnet", Key: key, Fixed: nodesOf(all), Schedule: directory.Schedule{
			Start: time.Now().Add(-time.Hour), Duration: time.Hour, Validity: 8760, First: 8760,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	web := httptest.NewServer(server)
	defer web.Close()

	s := state(t)
	settings := config.Network{Directories: []string{web.URL}, Key: key.Public().String(), Name: "testnet"}
	look := func() error {
		src, err := OpenSource(settings, s, true, zerolog.Nop())
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- src.Run(ctx, nil, zerolog.Nop()) }()
		n, err := src.Topology(ctx)
		if err == nil {
			if _, ok := n.Gateway(all[4].node.Identity); !ok || n.NoiseKey(all[0].node.Addr()) != all[0].node.Noise {
				t.Error("the snapshot is not that of the directory")
			}
		}
		stop()
		return errors.Join(err, <-done)
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	// hardening.md H24: "Clients keep the highest sequence seen"
	records := Records(s)
	text, err := endpoint.Text(t.Context(), records, "head", 1)
	if err != nil || !strings.Contains(text, `"sequence":`) {
		t.Errorf("remembered %q, %v; want the head", text, err)
	}
	if err := look(); err != nil {
		t.Errorf("with a head from before: %v", err)
	}
	if err := records.Save(t.Context(), "head", endpoint.Record{Version: 1, Body: []byte("nonsense")}); err != nil {
		t.Fatal(err)
	}
	if err := look(); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("a head that is nonsense: %v", err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Further addresses of nodes, and nodes without a role, are guarded also where a file
// lists them.
func TestH30AllAddressesInAFileAreGuarded(t *testing.T) {
	ps := parts()
	ps[3].node.Hosts = append(ps[3].node.Hosts, netip.MustParseAddr("2001:67c::4"))
	idle := part{node: directory.Node{
		ID: 9, Identity: keys.NewIdentityKey().Public(), Sphinx: keys.NewSphinxKey().Public(),
		Hosts: []netip.Addr{netip.MustParseAddr("192.0.2.9")}, MixPort: 1789,
	}}
	src, err := OpenSource(config.Network{Topology: config.Path(topologyFile(t, append(ps, idle)))}, nil, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"2001:67c::4": true, "192.0.2.9": true, "::ffff:192.0.2.9": true, "2001:67c::5": false} {
		if got := src.HasAddr(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is closed: %v, want %v", text, got, want)
		}
	}
}

// hardening.md H30: "every address of a node that the topology or a directory lists, the
// directories'"
func TestH30DirectoriesAreGuarded(t *testing.T) {
	asked := make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // at 127.0.0.1
		once()
		http.NotFound(w, r)
	}))
	defer web.Close()
	src, err := OpenSource(config.Network{Directories: []string{web.URL}}, nil, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- src.Run(ctx, nil, zerolog.Nop()) }()
	<-asked
	for text, want := range map[string]bool{"127.0.0.1": true, "::ffff:127.0.0.1": true, "127.0.0.2": false} {
		if got := src.HasAddr(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is closed: %v, want %v", text, got, want)
		}
	}
	stop()
	<-done
}

func TestCheckNetwork(t *testing.T) {
	few := parts()[:4] // no layer is empty, and there is a gateway
	for _, c := range []struct {
		name string
		n    config.Network
		want string // empty: fine
	}{
		{"a file", config.Network{Topology: config.Path(topologyFile(t, few))}, ""},
		{"a directory", config.Network{Directories: []string{"https://directory.example.org/api"}}, ""},
		{"no mixes", config.Network{Topology: config.Path(topologyFile(t, parts()[3:]))}, "layer"},
		{"no file", config.Network{Topology: "/nowhere"}, "/nowhere"},
		{"a key that is none", config.Network{Directories: []string{"https://directory.example.org/"}, Key: "x"}, "network.key"},
	} {
		err := CheckNetwork(c.n)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCheckSelf(t *testing.T) {
	all := parts()
	n, err := (&directory.View{Rotation: 1, Nodes: nodesOf(all)}).Topology()
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) config.Mix {
		return config.Mix{Announce: all[i].node.Addr().AddrPort(), Noise: true}
	}
	swap := func(f func(*cli.Keys)) cli.Keys {
		ks := all[0].keys
		f(&ks)
		return ks
	}
	plain := at(0)
	plain.Noise = false
	for _, c := range []struct {
		name    string
		network *topology.Network
		mix     config.Mix
		keys    cli.Keys
		gateway bool
		want    string
	}{
		{"a mix", n, at(0), all[0].keys, false, ""},
		{"a gateway", n, at(3), all[3].keys, true, ""},
		{"not in it yet", n, config.Mix{Announce: netip.MustParseAddrPort("192.0.2.9:1789")}, all[0].keys, false, ""},
		{"no snapshot yet", nil, at(0), all[1].keys, false, ""},
		{"somebody else", n, at(0), all[1].keys, false, "another identity"},
		{"an old key", n, at(0), swap(func(k *cli.Keys) { k.Sphinx = keys.NewSphinxKey() }), false, "another Sphinx key"},
		{"an old Noise key", n, at(0), swap(func(k *cli.Keys) { k.Noise = keys.NewNoiseKey() }), false, "another Noise key"},
		{"Noise is off", n, plain, all[0].keys, false, "mix.noise is off"},
		{"a mix taken for a gateway", n, at(3), all[3].keys, false, "as gateway"},
		{"a gateway taken for a mix", n, at(1), all[1].keys, true, "as layer 2"},
	} {
		err := CheckSelf(c.network, c.mix, c.keys, Previous{}, c.gateway)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A topology that has the key before is fine while that is used.
func TestCheckSelfKnowsTheKeyBefore(t *testing.T) {
	all := parts()
	n, err := (&directory.View{Rotation: 1, Nodes: nodesOf(all)}).Topology()
	if err != nil {
		t.Fatal(err)
	}
	ks := all[0].keys
	old := ks.Sphinx.Public()
	oldNoise := ks.Noise
	ks.Sphinx, ks.Noise = keys.NewSphinxKey(), keys.NewNoiseKey()
	mix := config.Mix{Announce: all[0].node.Addr().AddrPort(), Noise: true}
	if err := CheckSelf(n, mix, ks, Previous{old, oldNoise}, false); err != nil {
		t.Error(err)
	}
	if err := CheckSelf(n, mix, ks, Previous{old, keys.NewNoiseKey()}, false); err == nil {
		t.Error("a key that is not used any more is in the topology, and that is fine")
	}
}

// What "details" prints is the address of the endpoint that the same instance makes.
func TestDetailsHaveTheAddressOfTheEndpoint(t *testing.T) {
	all, s := parts(), state(t)
	src, err := OpenSource(config.Network{Topology: config.Path(topologyFile(t, all))}, nil, false, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ks := cli.Keys{Identity: keys.NewIdentityKey(), Encryption: keys.NewEncryptionKey(), Ack: keys.NewAck()}
	settings := config.NewSOCKS().Client
	if d, err := ClientDetails(settings, s, ks); err != nil || len(d) != 1 {
		t.Errorf("before a gateway was drawn: %v, %v", d, err)
	}
	cfg, done, err := Endpoint(settings, ks, s, src, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("nobody is connected to here")
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	cfg.Messages = true
	end, err := endpoint.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- end.Run(ctx) }()
	for end.Address().IsZero() && ctx.Err() == nil {
		runtime.Gosched()
	}
	got := end.Address().String()
	stop()
	if err := errors.Join(<-ended, done()); err != nil {
		t.Error(err)
	}
	if d, err := ClientDetails(settings, s, ks); err != nil || len(d) != 2 || d[1].Value != got {
		t.Errorf("details are %v, %v; the endpoint's address is %s", d, err, got)
	}
	settings.Gateway = all[4].node.Identity.String()
	if d, err := ClientDetails(settings, s, ks); err != nil || !strings.HasSuffix(d[1].Value, "@"+settings.Gateway) {
		t.Errorf("details are %v, %v; want the gateway of the settings", d, err)
	}
}

func TestNodeDetails(t *testing.T) {
	p := parts()[3]
	mix := config.Mix{Announce: p.node.Addr().AddrPort(), Noise: true}
	got := NodeDetails(mix, p.keys)
	want := []cli.Detail{
		{Name: "identity_key", Value: p.node.Identity.String()}, {Name: "sphinx_key", Value: p.node.Sphinx.String()},
		{Name: "noise_key", Value: p.node.Noise.String()}, {Name: "mix_host", Value: "192.0.2.4:1789"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := NodeDetails(config.Mix{}, p.keys); len(got) != 2 {
		t.Errorf("without Noise and address: %v", got)
	}
	if got := Port("clients_ws_port", 9000).Value; got != strconv.Itoa(9000) {
		t.Errorf("port %s", got)
	}
}

// The engine gets what the settings say.
func TestNodeConfig(t *testing.T) {
	p := parts()[0]
	mix := config.NewMixnode().Mix
	mix.Announce = netip.MustParseAddrPort("127.0.0.1:1789")
	held := mixnode.Keys{Primary: mixnode.Key{Rotation: mixnode.NoRotation, Key: p.keys.Sphinx}}
	mix.StrictLayers, mix.DelayMemory, mix.MaxDelay = true, 64<<20, config.Duration(time.Second)
	cfg := Node(mix, p.keys, held, nil, &Source{Network: endpoint.Snapshots(func() *topology.Network { return nil })}, zerolog.Nop())
	if cfg.Addr != mixnet.NodeAddrFrom(mix.Announce) || !cfg.StrictLayers || cfg.AllowLegacy || cfg.DelayBytes != 64<<20 ||
		cfg.MaxDelay != time.Second || cfg.Noise != p.keys.Noise || cfg.Keys.Primary.Key != p.keys.Sphinx || !cfg.Server.ExemptLoopback {
		t.Errorf("got %+v", cfg)
	}
	mix.Noise, mix.Announce = false, netip.MustParseAddrPort("192.0.2.1:1789")
	if cfg := Node(mix, p.keys, held, nil, &Source{Network: endpoint.Snapshots(func() *topology.Network { return nil })}, zerolog.Nop()); cfg.Noise != nil || cfg.Server.ExemptLoopback {
		t.Errorf("without Noise, on another machine: %+v", cfg)
	}
}

// A directory whose word anybody on the way can change is warned of.
func TestDirectoriesOverHTTPWithoutAKey(t *testing.T) {
	key := keys.NewIdentityKey().Public().String()
	for _, c := range []struct {
		url, key string
		warned   bool
	}{
		{"http://directory.example.org/api/", "", true},
		{"http://192.0.2.1:8080/", "", true},
		{"http://directory.example.org/api/", key, false},
		{"https://directory.example.org/api/", "", false},
		{"http://127.0.0.1:8080/", "", false},
		{"http://[::1]:8080/", "", false},
		{"http://localhost:8080/", "", false},
	} {
		var log bytes.Buffer
		if _, err := OpenSource(config.Network{Directories: []string{c.url}, Key: c.key}, nil, false, zerolog.New(&log)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "is not signed and not encrypted"); got != c.warned {
			t.Errorf("%s, key %q: warned %v:\n%s", c.url, c.key, got, &log)
		}
	}
}
