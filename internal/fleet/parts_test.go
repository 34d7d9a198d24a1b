package fleet

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	built(t)
	t.Setenv("PATH", "")
	wantFound := func(dir string) {
		t.Helper()
		p, err := Find(dir)
		must(t, err)
		for _, name := range programs {
			if p[name] != filepath.Join(built(t), name) {
				t.Errorf("%s is %s", name, p[name])
			}
		}
	}
	wantFound(built(t))
	_, err := Find("") // nothing beside the test binary
	wantError(t, err, "make build")
	_, err = Find(t.TempDir())
	wantError(t, err, "there is no program directory in ")
	t.Setenv("PATH", built(t))
	wantFound("")
	_, err = Find(t.TempDir()) // a folder that is named counts alone
	wantError(t, err, "make build")
}

// Settings of an earlier life of the shell, or a supervisor of ours, do not
// reach the programs.
func TestEnvironment(t *testing.T) {
	got := environment([]string{
		"PATH=/bin", "NYM_SOCKS5_LISTEN=0.0.0.0:1", "MIXNODE_ID=x", "GATEWAY_LOG_LEVEL=off", "DIRECTORY_PERIOD=1s",
		"NETWORK_REQUESTER_OPEN=true", "NOTIFY_SOCKET=/run/x", "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "STATE_DIRECTORY=/x",
		"CONFIGURATION_DIRECTORY=/y", "NYM_CLIENT_LISTEN=x", "HOME=/root", "MIXNODES=3",
	})
	if want := []string{"PATH=/bin", "HOME=/root", "MIXNODES=3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPauses(t *testing.T) {
	var got []time.Duration
	pause := time.Duration(0)
	for range 8 {
		pause = pauseAfter(pause, time.Second)
		got = append(got, pause)
	}
	const ms = time.Millisecond
	if want := []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 8000 * ms, longPause, longPause}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := pauseAfter(longPause, steadyTime); got != firstPause {
		t.Errorf("after a good process: %v, want %v", got, firstPause)
	}
}

func TestNotices(t *testing.T) {
	for text, want := range map[string]notice{
		"READY=1":                        {ready: true},
		"READY=1\nSTATUS=mixing\n":       {true, "mixing"},
		"STATUS=serving clients":         {false, "serving clients"},
		"READY=0":                        {},
		"STATUS":                         {},
		"":                               {},
		"MAINPID=1\nSTOPPING=1\nSTATUS=": {},
	} {
		if got := parseNotice([]byte(text)); got != want {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
}

func TestStates(t *testing.T) {
	for s := Stopped; s <= Stopping; s++ {
		text, err := s.MarshalText()
		must(t, err)
		var got State
		if err := got.UnmarshalText(text); err != nil || got != s {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	wantError(t, new(State).UnmarshalText([]byte("tired")), `no state "tired"`)
}

func FuzzParseNotice(f *testing.F) {
	f.Add([]byte("READY=1\nSTATUS=mixing"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := parseNotice(b)
		if strings.ContainsRune(n.status, '\n') || n.ready && !strings.Contains(string(b), "READY=1") {
			t.Errorf("%q is %+v", b, n)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"do":"list"}`))
	f.Add([]byte(`{"do":"kill","name":"mix-1-1"}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRequest(b)
		if err != nil {
			return
		}
		text, err := json.Marshal(r)
		must(t, err)
		if again, err := parseRequest(text); err != nil || again != r {
			t.Errorf("%q is %+v, and written again %+v, %v", b, r, again, err)
		}
	})
}

// The same folder is the same network: with the flags of now, and the identities
// and addresses of before.
func TestMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	spec := Spec{Dir: dir, Programs: found(t), MixesPerLayer: 1, Rules: Rules{Allow: []string{"example.org:443", "b.org"}}}
	n, err := Make(t.Context(), spec)
	must(t, err)
	var names []string
	seen := make(map[netip.AddrPort]bool)
	for _, p := range n.Parts {
		names = append(names, p.Name)
		for _, at := range []netip.AddrPort{p.Addr, p.Clients} {
			if at.IsValid() && (seen[at] || !at.Addr().IsLoopback() || at.Port() < firstPort || at.Port() > lastPort) {
				t.Errorf("%s is at %v", p.Name, at)
			}
			seen[at] = at.IsValid()
		}
		if info, err := os.Stat(n.folder.settings(p.Name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("settings of %s: %v", p.Name, err)
		}
		if key, err := os.Stat(filepath.Join(n.folder.state(p.Name), "identity.pem")); err != nil || key.Mode().Perm() != 0o600 {
			t.Errorf("key of %s: %v", p.Name, err)
		}
	}
	want := []string{"directory", "mix-1-1", "mix-2-1", "mix-3-1", "gateway-1", "gateway-2", "requester", "socks"}
	if !slices.Equal(names, want) {
		t.Errorf("the parts are %q, want %q", names, want)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the folder: %v", err)
	}

	spec.Traffic, spec.Rules = Fast, Rules{File: filepath.Join(dir, "rules")}
	must(t, os.WriteFile(spec.Rules.File, []byte("allow c.org\n"), 0o600))
	spec.MixesPerLayer, spec.Client = 2, anyPort
	again, err := Make(t.Context(), spec)
	must(t, err)
	if again.Requester != n.Requester || again.SOCKS != n.SOCKS || again.DirectoryURL != n.DirectoryURL || again.DirectoryKey != n.DirectoryKey {
		t.Errorf("the network was %+v and is %+v", n, again)
	}
	for _, p := range n.Parts {
		i := slices.IndexFunc(again.Parts, func(q Part) bool { return q.Name == p.Name })
		if q := again.Parts[i]; q.Identity != p.Identity || q.Addr != p.Addr || q.Clients != p.Clients {
			t.Errorf("%+v became %+v", p, q)
		}
	}
	if len(again.Parts) != len(n.Parts)+4 {
		t.Errorf("there are %d parts, want %d", len(again.Parts), len(n.Parts)+4)
	}
	if last := again.Parts[len(again.Parts)-1]; last.Name != "client" || last.Identity == "" || last.Addr.Port() == 0 {
		t.Errorf("the client is %+v", last)
	}
	requester := again.Parts[len(again.Parts)-3]
	if flags := strings.Join(requester.flags, " "); !strings.Contains(flags, "--hop-delay off") || !strings.Contains(flags, "--allow= --allowlist="+spec.Rules.File) {
		t.Errorf("the requester runs with %s", flags)
	}
}

func TestMakeFails(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	_, err := Make(t.Context(), Spec{Dir: long, Programs: found(t), MixesPerLayer: 1, Gateways: 1, Rules: Rules{Allow: []string{"a.org"}}})
	wantError(t, err, "too long for sockets")
	_, err = Make(t.Context(), Spec{Dir: t.TempDir(), Programs: found(t), MixesPerLayer: -1})
	wantError(t, err, "between 1 and 1000")
	foreign := t.TempDir()
	must(t, os.WriteFile(filepath.Join(foreign, "photo"), nil, 0o600))
	_, err = Make(t.Context(), Spec{Dir: foreign, Programs: found(t)})
	wantError(t, err, "is not empty, and holds no network")
	if left, err := os.ReadDir(foreign); len(left) != 1 || err != nil {
		t.Errorf("a foreign folder has %v now, %v", left, err)
	}
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "etc", "directory.toml"), []byte("version = 1\n[directroy]\n"), 0o600))
	_, err = Make(t.Context(), Spec{Dir: dir, Programs: found(t)})
	wantError(t, err, "did you mean directory?")
	without := found(t)
	delete(without, progClient)
	_, err = Make(t.Context(), Spec{Dir: t.TempDir(), Programs: without, MixesPerLayer: 1, Gateways: 1, Client: anyPort, Rules: Rules{Allow: []string{"a.org"}}})
	wantError(t, err, "there is no program nym-client; make build makes it")
	_, err = Make(expired(), Spec{Dir: t.TempDir(), Programs: found(t)})
	wantError(t, err, "context canceled")
}
