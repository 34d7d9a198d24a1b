package localnet

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"

	"nym-socks5/internal/simnet"
)

// The network is listed as clients of Nym expect it (nodes.md §4.2).
func TestDirectory(t *testing.T) {
	inWorld(t, Spec{Traffic: fast, Directory: "10.8.0.1:8000"}, func(w *world) {
		if got, want := w.DirectoryURL(), "http://10.8.0.1:8000/api/"; got != want {
			t.Fatalf("URL %q, want %q", got, want)
		}
		web := &http.Client{Transport: &http.Transport{DialContext: w.inside.DialContext, DisableKeepAlives: true}}
		var list struct {
			Metadata struct {
				Epoch    uint32 `json:"absolute_epoch_id"`
				Rotation uint32 `json:"rotation_id"`
			}
			Nodes struct {
				Data []struct {
					Identity string `json:"ed25519_identity_pubkey"`
					Sphinx   string `json:"x25519_sphinx_pubkey"`
					MixPort  uint16 `json:"mix_port"`
					Entry    *struct {
						WS uint16 `json:"ws_port"`
					}
				}
			}
		}
		for path, want := range map[string]int{"mixnodes/active": 6, "entry-gateways": 2} {
			r, err := web.Get(w.DirectoryURL() + "v2/unstable/nym-nodes/skimmed/" + path + "?page=0")
			if err != nil {
				t.Fatal(err)
			}
			list.Nodes.Data = nil
			err = json.NewDecoder(r.Body).Decode(&list)
			r.Body.Close()
			if err != nil || len(list.Nodes.Data) != want || list.Metadata.Rotation != rotation {
				t.Errorf("%s: %d nodes of rotation %d (%v), want %d", path, len(list.Nodes.Data), list.Metadata.Rotation, err, want)
			}
		}
		for _, g := range list.Nodes.Data {
			if g.Entry == nil {
				continue
			}
			for _, known := range w.Topology().Gateways() {
				if g.Identity == known.Identity.String() && g.Sphinx != known.Sphinx.String() {
					t.Error("a gateway is listed with another key")
				}
			}
		}
	})
}

func TestDirectoryPortInUse(t *testing.T) {
	sim := simnet.New()
	taken, err := sim.Listen("127.0.0.1:8000")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var opened []net.Listener
	n, err := New(Spec{Directory: "127.0.0.1:8000", Listen: func(addr string) (net.Listener, error) {
		ln, err := sim.Listen(addr)
		if err == nil {
			opened = append(opened, ln)
		}
		return ln, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(context.Background()); err == nil {
		t.Fatal("ran though the port is taken")
	}
	for _, ln := range opened {
		if _, err := sim.DialContext(t.Context(), "tcp", ln.Addr().String()); err == nil {
			t.Errorf("%v is still open", ln.Addr())
		}
	}
}
