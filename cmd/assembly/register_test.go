package assembly

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/announce"
	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

// A mix node gets into the directory, with keys that it still has in its next life.
func TestNodeRegisters(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ks := cli.Keys{Identity: keys.NewIdentityKey(), Sphinx: keys.NewSphinxKey(), Noise: keys.NewNoiseKey()}
	pinned := keys.NewIdentityKey()
	server, err := dirserver.New(dirserver.Config{
		Network: "testnet", Key: pinned, Fixed: nodesOf(parts()), Period: time.Second,
		Allow: func(id keys.Identity, role directory.Role) bool {
			return id == ks.Identity.Public() && role == directory.RoleMixnode
		},
		Schedule: directory.Schedule{Start: time.Now().Add(-time.Hour), Duration: time.Hour, Validity: 8760, First: 8760},
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Run(ctx) }()
	web := httptest.NewServer(server)
	defer web.Close()

	cfg := config.NewMixnode()
	cfg.Network = config.Network{Directories: []string{web.URL}, Key: pinned.Public().String(), Name: "testnet"}
	cfg.Mix.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	cfg.Registration = config.Registration{Register: true}
	s := state(t)
	// live runs the node until it is listed in a snapshot of its own.
	live := func() directory.Node {
		t.Helper()
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		ln, err := net.Listen("tcp", cfg.Mix.Listen.String())
		if err != nil {
			t.Fatal(err)
		}
		cfg.Mix.Announce = ln.Addr().(*net.TCPAddr).AddrPort()
		src, err := OpenSource(cfg.Network, s, true, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		node := Registered{
			Network: cfg.Network, Source: src, State: s, Identity: ks.Identity,
			Says: Announcement(directory.RoleMixnode, cfg.Mix, ks),
			Build: func(k mixnode.Keys) (func(mixnode.Keys) error, func(context.Context) error, error) {
				defer ln.Close()
				if k.Primary.Key == nil {
					t.Error("built without a key")
				}
				return func(mixnode.Keys) error { return nil }, func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
			},
			Log: zerolog.Nop(),
		}
		done := make(chan error, 2)
		go func() { done <- src.Run(ctx, nil, zerolog.Nop()) }()
		go func() { done <- node.Run(ctx) }()
		var listed directory.Node
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for listed.MixPort != cfg.Mix.Announce.Port() {
			select {
			case <-tick.C:
			case err := <-done:
				t.Fatalf("ended early: %v", err)
			case <-ctx.Done():
				t.Fatal("the node is not in the directory")
			}
			if v := server.View(); v != nil {
				for _, n := range v.Nodes {
					if n.Identity == ks.Identity.Public() {
						listed = n
					}
				}
			}
		}
		stop()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		return listed
	}
	first := live()
	if first.Noise != ks.Noise.Public() || !first.Role.IsMix() || first.Sphinx == ks.Sphinx.Public() {
		t.Errorf("listed as %+v", first)
	}
	records := Records(s)
	before, err := readSequence(records)
	if err != nil || before == 0 {
		t.Fatalf("sequence %d, %v", before, err)
	}
	again := live()
	if again.Sphinx != first.Sphinx {
		t.Error("the Sphinx key was lost between two lives")
	}
	if after, err := readSequence(records); err != nil || after <= before {
		t.Errorf("sequence %d after %d, %v", after, before, err)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func ring(rotation uint32) announce.SphinxKey {
	return announce.SphinxKey{Rotation: rotation, Key: keys.NewSphinxKey()}
}

// logs lists the replay logs in a state folder.
func logs(t *testing.T, s *cli.State) []string {
	t.Helper()
	found, err := filepath.Glob(s.Path("replay-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKeychainFollowsTheRing(t *testing.T) {
	s := state(t)
	k, err := OpenKeychain(s)
	if err != nil {
		t.Fatal(err)
	}
	var got []mixnode.Keys
	var refuse error
	attach := func() error {
		return k.Attach(t.Context(), func(first mixnode.Keys) (func(mixnode.Keys) error, error) {
			got = append(got, first)
			return func(next mixnode.Keys) error {
				if refuse == nil {
					got = append(got, next)
				}
				return refuse
			}, nil
		})
	}
	a, b := ring(7), ring(8)
	if err := k.Use(a, announce.SphinxKey{}); err != nil {
		t.Fatal(err)
	}
	if err := attach(); err != nil {
		t.Fatal(err)
	}
	if err := k.Use(a, b); err != nil {
		t.Fatal(err)
	}
	refuse = errors.New("not now") // and then the ring tries again
	if err := k.Use(b, a); !errors.Is(err, refuse) {
		t.Errorf("got %v, want the engine's refusal", err)
	}
	refuse = nil
	if err := k.Use(b, a); err != nil {
		t.Fatal(err)
	}
	if n := len(logs(t, s)); n != 2 {
		t.Errorf("%d replay logs for two keys", n)
	}
	if err := k.Use(b, announce.SphinxKey{}); err != nil {
		t.Fatal(err)
	}
	want := []struct{ primary, secondary announce.SphinxKey }{{primary: a}, {a, b}, {b, a}, {primary: b}}
	if len(got) != len(want) {
		t.Fatalf("the engine got keys %d times, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Primary.Key != w.primary.Key || got[i].Primary.Rotation != w.primary.Rotation || got[i].Primary.Log == nil ||
			got[i].Secondary.Key != w.secondary.Key || (w.secondary.Key != nil) != (got[i].Secondary.Log != nil) {
			t.Errorf("%d: the engine got %+v, want %+v", i, got[i], w)
		}
	}
	// hardening.md H36: "Retired Sphinx keys are ... removed from disk"
	text, err := endpoint.Text(t.Context(), k.records, ringRecord, recordVersion)
	if err != nil || strings.Count(text, "BEGIN") != 1 || !strings.Contains(text, "Rotation: 8") {
		t.Errorf("on disk: %s, %v", text, err)
	}
	if n := len(logs(t, s)); n != 1 {
		t.Errorf("%d replay logs for one key", n)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}

	// The next life has the key that is left.
	k, err = OpenKeychain(s)
	if err != nil {
		t.Fatal(err)
	}
	if current, _, err := k.Ring.Keys(); err != nil || !current.Key.Equal(b.Key) || current.Rotation != 8 {
		t.Errorf("after a restart: %+v, %v", current, err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

// hardening.md H18: "After an unclean end that may have lost some, the node takes
// a new Sphinx key and refuses the old."
func TestH18RegisteredNodeDropsKeysWithoutLogs(t *testing.T) {
	s := state(t)
	k, err := OpenKeychain(s)
	if err != nil {
		t.Fatal(err)
	}
	a, b := ring(7), ring(8)
	if err := errors.Join(k.Use(a, b), k.Close()); err != nil {
		t.Fatal(err)
	}
	for i, path := range logs(t, s) { // one is gone, one is damaged
		if i == 0 {
			err = os.Remove(path)
		} else {
			err = os.Truncate(path, 3)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if k, err = OpenKeychain(s); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if current, _, err := k.Ring.Keys(); err == nil {
		t.Errorf("the ring still has a key for rotation %d", current.Rotation)
	}
	if left := logs(t, s); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestKeychainWithoutKeysWaits(t *testing.T) {
	k, err := OpenKeychain(state(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	err = k.Attach(ctx, func(mixnode.Keys) (func(mixnode.Keys) error, error) {
		t.Error("built without keys")
		return nil, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRingFileOfOthers(t *testing.T) {
	s := state(t)
	records := Records(s)
	good := ringText([]announce.SphinxKey{ring(1), ring(2)})
	if held, err := parseRing(good); err != nil || len(held) != 2 {
		t.Fatalf("got %v, %v", held, err)
	}
	for _, bad := range []string{
		"nonsense", good + "\nmore", strings.Replace(good, "Rotation: 1", "Rotation: x", 1), strings.Replace(good, "Rotation", "Rotatoin", 1),
		strings.ReplaceAll(good, "SPHINX", "NOISE"), good + "\n" + good, strings.Replace(good, "Rotation: 1", "Rotation: 01", 1),
	} {
		if err := records.Save(t.Context(), ringRecord, endpoint.Record{Version: recordVersion, Body: []byte(bad)}); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKeychain(s); !errors.Is(err, config.ErrInvalid) {
			t.Errorf("%v for\n%s", err, bad)
		}
	}
}

func FuzzParseRing(f *testing.F) {
	f.Add(ringText([]announce.SphinxKey{ring(1), ring(4294967295)}))
	f.Fuzz(func(t *testing.T, in string) {
		held, err := parseRing(in)
		if err != nil {
			return
		}
		if out := ringText(held); out != in {
			t.Fatalf("%q came back as %q", in, out)
		}
	})
}
