package localnet

import (
	"net/http"
	"testing"
)

// Clients of before 2025 find the network by lists of their own (nodes.md §4.7),
// if they are wanted.
func TestLegacySwitch(t *testing.T) {
	for _, on := range []bool{false, true} {
		inWorld(t, Spec{Traffic: fast, Directory: "10.8.0.1:8000", AllowLegacy: on}, func(w *world) {
			web := &http.Client{Transport: &http.Transport{DialContext: w.inside.DialContext, DisableKeepAlives: true}}
			want := http.StatusNotFound
			if on {
				want = http.StatusOK
			}
			for _, path := range []string{"v1/mixnodes/active", "v1/gateways/described"} {
				r, err := web.Get(w.DirectoryURL() + path)
				if err != nil {
					t.Fatal(err)
				}
				r.Body.Close()
				if r.StatusCode != want {
					t.Errorf("switch %v: %s answers %d, want %d", on, path, r.StatusCode, want)
				}
			}
		})
	}
}
