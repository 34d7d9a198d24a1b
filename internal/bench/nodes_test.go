package bench

import (
	"bufio"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"nym-socks5/mixnet/boltstore"
)

func TestStoring(t *testing.T) {
	store, err := boltstore.OpenGateway(filepath.Join(t.TempDir(), "gateway.db"), roomy)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if n, err := storeMail(t.Context(), store); n <= 0 || err != nil {
		t.Errorf("%v mails a second, %v", n, err)
	}
}

func TestHandOver(t *testing.T) {
	v, err := measureHandOver(&Lab{ctx: t.Context()})
	if err != nil || v.Measured <= 0 || v.Yardstick <= 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestLists(t *testing.T) {
	plan := listsPlan{nodes: 40, rounds: 1, slice: 20 * time.Millisecond, periods: 1}
	v, err := plan.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]Value{"topology": v.topology, "skimmed": v.skimmed, "bytes": v.bytes} {
		if v.Measured <= 0 || v.Yardstick <= 0 {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if v.requests <= 0 || v.bytes.Measured >= v.bytes.Yardstick {
		t.Errorf("%v requests in a period, %+v bytes", v.requests, v.bytes)
	}
}

// playChild runs a child in this process.
func playChild[V any](t *testing.T, mode string, measure func(*pipe) (V, error)) (V, error) {
	t.Helper()
	toChild, fromParent := io.Pipe()
	toParent, fromChild := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := Child(t.Context(), mode, toChild, fromChild); err != nil {
			t.Errorf("child: %v", err)
		}
		fromChild.Close()
	})
	v, err := measure(&pipe{bufio.NewReader(toParent), fromParent})
	fromParent.Close()
	wg.Wait()
	return v, err
}

func TestCrowd(t *testing.T) {
	for _, mode := range []string{childSessions, childConns} {
		if _, err := playChild(t, mode, func(p *pipe) (float64, error) { return gather(t.Context(), p, 20) }); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func TestFloods(t *testing.T) {
	r, err := newRelay(true, 1+len(floodKinds), 50)
	if err != nil {
		t.Fatal(err)
	}
	r.spec.Flooded = true
	all, err := playChild(t, childRelay, func(node *pipe) (map[string]flooding, error) {
		return playChild(t, childFlood, func(flood *pipe) (map[string]flooding, error) {
			return r.flooded(t.Context(), node, flood)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range floodKinds {
		if f := all[kind.name]; f.passed.Measured <= 0 || f.passed.Yardstick <= 0 || f.tried <= 0 {
			t.Errorf("%s: %+v", kind.name, f)
		}
	}
	if m := all[""].memory; m.Measured <= 0 || m.Yardstick <= 0 {
		t.Errorf("memory %+v", m)
	}
}
