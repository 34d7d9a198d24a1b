package interop

import (
	"fmt"
	"os/exec"
	"slices"
	"testing"

	"nym-socks5/localnet"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// Our page and Nym's client talk to each other.
func TestPageAndWasmClient(t *testing.T) {
	path := chromium(t)
	w := newWorld(t, localnet.Spec{Traffic: client.Fast()})
	nym := w.foreign(t, `{"clientId":"interop"}`)
	ours := launchForeign(t, exec.Command("node", ourPage(t, path, map[string]any{"directory": w.api, "storage": "memory", "profile": "fast"})...))
	if e := ours.want(t, "ready"); e.Error != "" {
		t.Fatal(e.Error)
	}

	t.Run("from the page", func(t *testing.T) {
		ours.send(t, nym.address, []byte("hello Nym"))
		want(t, "body", nym.want(t, "message").Body, []byte("hello Nym"))
	})
	t.Run("to the page", func(t *testing.T) {
		nym.send(t, ours.address, []byte("hello page"))
		e := ours.want(t, "message")
		want(t, "body", e.Body, []byte("hello page"))
		if e.Sender != "" || e.As != "" {
			t.Errorf("a plain message has tags %q and %q", e.Sender, e.As)
		}
	})
	t.Run("the page answers", func(t *testing.T) {
		nym.ask(t, ours.address, []byte("who am I"), 10)
		e := ours.want(t, "message")
		want(t, "body", e.Body, []byte("who am I"))
		ours.do(t, map[string]any{"do": "reply", "tag": e.Sender, "body": []byte("nobody knows")})
		want(t, "reply", nym.want(t, "message").Body, []byte("nobody knows"))
	})
	t.Run("the page is answered", func(t *testing.T) {
		ours.ask(t, nym.address, []byte("guess who"), 10)
		e := nym.want(t, "message")
		want(t, "body", e.Body, []byte("guess who"))
		nym.reply(t, mixnet.SenderTag(e.Tag), []byte("you"))
		m := ours.want(t, "message")
		want(t, "reply", m.Body, []byte("you"))
		if m.As != mixnet.SenderTag(e.Tag).String() {
			t.Errorf("the answer came for tag %q, want %s", m.As, mixnet.SenderTag(e.Tag))
		}
	})
	t.Run("many fragments both ways, and a long answer over few SURBs", func(t *testing.T) {
		ours.send(t, nym.address, noise(big))
		want(t, "body", nym.want(t, "message").Body, noise(big))
		nym.ask(t, ours.address, noise(big), 5)
		e := ours.want(t, "message")
		want(t, "body", e.Body, noise(big))
		ours.do(t, map[string]any{"do": "reply", "tag": e.Sender, "body": noise(big + 1)})
		want(t, "reply", nym.want(t, "message").Body, noise(big+1))
	})
}

// Our fetch does what theirs does.
func TestPageFetch(t *testing.T) {
	path := chromium(t)
	at := newTargets(t)
	w := newWorld(t, at.spec())
	b := startFetcher(t, ourPage(t, path, w.ourOptions("fast"))...)
	fetches(t, b, at.url)
	t.Run("refused, and on", func(t *testing.T) {
		b.fails(t, fetch{URL: fmt.Sprintf("http://refused.example:%d/hello", at.plain.Port()), Method: "GET"})
		r := b.fetch(t, fetch{URL: at.url("/hello"), Method: "GET"})
		want(t, "body", r.Body, []byte("hello GET"))
	})
}

// ourOptions are those of our page, like options.
func (w *world) ourOptions(profile string) map[string]any {
	return map[string]any{
		"directory": w.api, "requester": w.requester, "gateway": w.network.Gateways()[0].Identity.String(),
		"profile": profile, "storage": "memory",
	}
}

// Our fetch beside theirs: at one gateway, through one requester, at Nym's pace and
// with its delays, in turns. docs/benchmarks-web.md has what comes of it.
//
// Theirs gives the requester its own address, which answers to it. Ours gives reply
// SURBs, so that the requester learns no address, and sends these at its pace: a
// megabyte needs some 650 of them, in 190 packets, which is 3.8 s at 20 ms each. So
// nothing is asked of that figure but that the bytes are right.
func TestPageFetchBesideMixFetch(t *testing.T) {
	path := chromium(t)
	at := newTargets(t)
	w := newWorld(t, at.spec())
	theirs := w.mixFetch(t, path, mixFetch2025)
	ours := startFetcher(t, ourPage(t, path, w.ourOptions("default"))...)

	for _, f := range []struct {
		name    string
		order   fetch
		body    []byte
		abreast int     // of ours; theirs has one request to a host at a time
		rounds  int     // the median counts
		most    float64 // of their time; zero: whatever it takes
	}{
		{"20 small answers of one host", fetch{URL: at.url("/hello"), Method: "GET", Times: 20}, []byte("hello GET"), 10, 5, 0.4},
		{"1 MB down", fetch{URL: at.url("/noise"), Method: "GET"}, noise(megabyte), 1, 3, 0},
		{"1 MB up and down", fetch{URL: at.url("/echo"), Method: "POST", Body: noise(megabyte), Binary: true}, noise(megabyte), 1, 1, 0},
	} {
		t.Run(f.name, func(t *testing.T) {
			measure := func(by *fetcher, abreast int) float64 {
				f.order.Abreast = abreast
				r := by.fetch(t, f.order)
				want(t, "body", r.Body, f.body)
				return r.MS
			}
			var a, b []float64
			for range f.rounds {
				a = append(a, measure(theirs, 1))
				b = append(b, measure(ours, f.abreast))
			}
			t.Logf("mix-fetch 1.4.1 %.2f s, ours %.2f s: %.2f of it (%.0f ms, %.0f ms)", median(a)/1000, median(b)/1000, median(b)/median(a), a, b)
			if f.most > 0 && median(b) > f.most*median(a) {
				t.Errorf("ours took %.2f of their time, want %.2f or less", median(b)/median(a), f.most)
			}
		})
	}
}

func median(all []float64) float64 {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
