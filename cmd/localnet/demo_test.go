package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/runtest"
	"nym-socks5/internal/socksclient"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/topology"
)

// A fakeAgent answers without any network.
type fakeAgent struct {
	answer func(url string, sent []byte) ([]byte, error)
}

func (f fakeAgent) get(_ context.Context, _ socksclient.Version, url string, w io.Writer) error {
	return f.put(context.Background(), 0, url, nil, w)
}

func (f fakeAgent) put(_ context.Context, _ socksclient.Version, url string, body []byte, w io.Writer) error {
	b, err := f.answer(url, body)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

func TestTransferComparesBytes(t *testing.T) {
	page := []byte("a page")
	other := errors.New("broken off")
	for _, tc := range []struct {
		name   string
		upload bool
		answer func(url string, sent []byte) ([]byte, error)
		want   string // in the error; empty: none
	}{
		{"fetch", false, func(string, []byte) ([]byte, error) { return page, nil }, ""},
		{"fetch, a flipped bit", false, func(string, []byte) ([]byte, error) { return []byte("b page"), nil }, "changed on the way"},
		{"fetch, too short", false, func(string, []byte) ([]byte, error) { return page[:3], nil }, "changed on the way"},
		{"fetch, nothing", false, func(string, []byte) ([]byte, error) { return nil, nil }, "changed on the way"},
		{"fetch, failed", false, func(string, []byte) ([]byte, error) { return nil, other }, "broken off"},
		{"send", true, func(_ string, b []byte) ([]byte, error) { return []byte(sum(b)), nil }, ""},
		{"send, other hash", true, func(_ string, b []byte) ([]byte, error) { return []byte(sum(b[1:])), nil }, "changed on the way"},
		{"send, no hash", true, func(string, []byte) ([]byte, error) { return bytes.Repeat([]byte("x"), 5000), nil }, "changed on the way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			d := &demonstration{bytes: int64(len(page)), out: &out, agent: fakeAgent{tc.answer}, target: &target{body: page}}
			err := d.transfer(t.Context(), transfer{label: "it", upload: tc.upload})
			if tc.want == "" && (err != nil || !strings.Contains(out.String(), "agrees\n")) {
				t.Errorf("got %v and %q", err, &out)
			}
			if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || out.Len() > 0) {
				t.Errorf("got %v and %q, want an error with %q", err, &out, tc.want)
			}
		})
	}
}

// socksReplies is a SOCKS5 proxy that answers every request alike.
func socksReplies(t *testing.T, code byte) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	runtest.Serve(t, ln, func(c net.Conn) {
		b := make([]byte, 512)
		io.ReadFull(c, b[:3])
		c.Write([]byte{5, 0})
		c.Read(b)
		c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
	})
	return ln.Addr().String()
}

func TestRefusalWantsTheRightReply(t *testing.T) {
	failing := func(string, []byte) ([]byte, error) { return nil, &curlError{97, "no"} }
	for _, tc := range []struct {
		name  string
		reply byte
		agent func(string, []byte) ([]byte, error)
		want  string // in the error, else in the output
		fails bool
	}{
		{"refused", 5, failing, "reply 5, refused; curl's exit code is 97\n", false},
		{"other reply", 4, failing, "SOCKS5 reply 4, want 5", true},
		{"reached", 0, failing, "it was reached", true},
		{"agent thinks it went well", 5, func(string, []byte) ([]byte, error) { return nil, nil }, "it was fetched", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			d := &demonstration{out: &out, socks: socksReplies(t, tc.reply), agent: fakeAgent{tc.agent}}
			err := d.refusal(t.Context(), refusal{"it", "x.example.com:80", 5, "refused"})
			if tc.fails && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			if !tc.fails && (err != nil || !strings.Contains(out.String(), tc.want)) {
				t.Errorf("got %v and %q, want %q", err, &out, tc.want)
			}
		})
	}
}

func TestMixedWantsEveryLayer(t *testing.T) {
	nodes := []localnet.NodeInfo{
		{Name: "mix-1-1", Role: topology.RoleMix1, Mixed: 7},
		{Name: "mix-1-2", Role: topology.RoleMix1},
		{Name: "mix-2-1", Role: topology.RoleMix2, Mixed: 8, Dropped: 3},
	}
	var out bytes.Buffer
	d := &demonstration{out: &out}
	if err := d.mixed(nodes); err != nil {
		t.Error(err)
	}
	if got := out.String(); !strings.Contains(got, "mix-2-1                         8  (and dropped 3)\n") {
		t.Errorf("got %q", got)
	}
	nodes[2].Mixed = 0
	if err := d.mixed(nodes); err == nil {
		t.Error("a layer that did nothing was not noticed")
	}
}

// The demo's agents go through our port, whatever the environment says.
func TestWithoutProxies(t *testing.T) {
	got := withoutProxies([]string{"PATH=/bin", "NO_PROXY=*", "https_proxy=x", "ALL_PROXY=", "proxy=1", "HOME=/x_proxy"})
	if want := []string{"PATH=/bin", "proxy=1", "HOME=/x_proxy"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAgentIsBuiltInWithoutCurl(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if a, about := newAgent("127.0.0.1:1", false); a != (builtin{"127.0.0.1:1"}) || !strings.Contains(about, "no curl here") {
		t.Errorf("got %v, %q", a, about)
	}
}

func TestTarget(t *testing.T) {
	tg, err := newTarget(t.Context(), 5000)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- tg.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()

	if _, err := tg.lookup(ctx, "other.localnet.example"); err == nil {
		t.Error("a name that is not the target's resolves")
	}
	if got, err := tg.lookup(ctx, targetName); err != nil || len(got) != 1 || got[0] != tg.addr().Addr() {
		t.Errorf("%s is %v, %v", targetName, got, err)
	}
	if c, err := net.Dial("tcp", tg.closedAddr().String()); err == nil {
		c.Close()
		t.Error("the closed port is open")
	}
}

func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := progress{w: &out, terminal: true, every: time.Second}
		began := time.Now()
		err := p.during("fetch", 200, func() int64 { return int64(time.Since(began) / (10 * time.Millisecond)) }, func() error {
			time.Sleep(1500 * time.Millisecond)
			return io.ErrUnexpectedEOF
		})
		if err != io.ErrUnexpectedEOF {
			t.Errorf("got %v", err)
		}
		want := "\r  fetch                      " + bar(0, 200) + "\x1b[K\r  fetch                      " + bar(100, 200) + "  100 B/s, 1.0 s left\x1b[K\r\x1b[K"
		if out.String() != want {
			t.Errorf("got %q, want %q", &out, want)
		}
	})
}

// Whoever reads a pipe learns now and then how far it is.
func TestProgressElsewhereIsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := progress{w: &out, every: 2 * time.Second}
		began := time.Now()
		err := p.during("fetch", 100, func() int64 { return int64(10 * time.Since(began) / time.Second) }, func() error {
			time.Sleep(5 * time.Second)
			return nil
		})
		want := "  fetch                      " + bar(20, 100) + "  10 B/s, 8.0 s left\n  fetch                      " + bar(40, 100) + "  10 B/s, 6.0 s left\n"
		if err != nil || out.String() != want {
			t.Errorf("%v, got %q, want %q", err, &out, want)
		}
	})
}

func TestLiveLine(t *testing.T) {
	got := live(localnet.Load{Streams: 3, Up: 1200, Down: 2_500_000, Denied: 1, Cover: 77})
	if want := "  streams      3, down 2.5 MB, up 1.2 kB, denied 1, packets of cover 77"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A line of the log does not run on behind the live line.
func TestLogAboveTheLiveLine(t *testing.T) {
	var out strings.Builder
	fmt.Fprint(&out, "\r  streams 3\x1b[K")
	n, err := aboveLive{&out}.Write([]byte("a warning\n"))
	if want := "\r  streams 3\x1b[K\r\x1b[Ka warning\n"; err != nil || n != len("a warning\n") || out.String() != want {
		t.Errorf("%d, %v, got %q, want %q", n, err, &out, want)
	}
}

func TestNumbers(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{bar(0, 0), "[..............................]   0 %"},
		{bar(1, 2), "[###############...............]  50 %"},
		{bar(5, 2), "[##############################] 100 %"},
		{bar(-1, 2), "[..............................]   0 %"},
		{size(12), "12 B"},
		{size(1234), "1.2 kB"},
		{size(1_000_000), "1.0 MB"},
		{rate(1_000_000, 2*time.Second), "500.0 kB/s"},
		{seconds(999 * time.Millisecond), "999 ms"},
		{seconds(13240 * time.Millisecond), "13.2 s"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}
