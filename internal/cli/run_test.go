package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	stdlog "log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
)

// systemdSocket is the other end of NOTIFY_SOCKET.
func systemdSocket(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return path, func() string {
		t.Helper()
		c.SetReadDeadline(time.Now().Add(time.Minute))
		b := make([]byte, 256)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

// The whole life of a program, as a supervisor sees it.
func TestLife(t *testing.T) {
	dir := t.TempDir()
	topology := filepath.Join(dir, "topology.json")
	if err := os.WriteFile(topology, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, said := systemdSocket(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args := []string{"run", "--config", dir + "/c.toml", "--state-dir", dir + "/state"}
	cmd := exec.CommandContext(ctx, "demo-node", append(args, "--topology", topology, "--mix-announce", "192.0.2.1:1")...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=20000", "WATCHDOG_PID=")
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	want := func(line string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != line {
			t.Fatalf("the program says %q, want %q; its log:\n%s", lines.Text(), line, log.String())
		}
	}
	wait := func(what string) {
		t.Helper()
		for {
			switch got := said(); got {
			case what:
				return
			case "WATCHDOG=1":
			default:
				t.Fatalf("systemd hears %q, want %q", got, what)
			}
		}
	}
	want("announcing 192.0.2.1:1")
	wait("READY=1")
	wait("STATUS=waiting")
	wait("WATCHDOG=1")

	second := exec.CommandContext(ctx, "demo-node", args...)
	if out, _ := second.CombinedOutput(); second.ProcessState.ExitCode() != exitTemporary || !strings.Contains(string(out), "another program uses") {
		t.Errorf("a second program with the same state: code %d, %s", second.ProcessState.ExitCode(), out)
	}
	if out, err := exec.CommandContext(ctx, "demo-node", append([]string{"details"}, args[1:]...)...).CombinedOutput(); err != nil {
		t.Errorf("details of a program that runs: %v, %s", err, out)
	}

	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	want("reloaded")
	// The level of the log counts at once, the rest is said to count later.
	text, err := os.ReadFile(dir + "/c.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{`# max_delay = "10s"`, `max_delay = "5s"`}, {`# level = "info"`, `level = "error"`}} {
		text = bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if err := os.WriteFile(dir+"/c.toml", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		want("reloaded")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	want("ended")
	wait("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("after TERM: %v, want exit code 0", err)
	}
	for message, n := range map[string]int{"starting": 1, "status": 1, "reading files again": 3, "these settings changed, and count at the next start": 1, "stopping": 0, "stopped": 0} {
		if got := strings.Count(log.String(), `"message":"`+message+`"`); got != n {
			t.Errorf("%d lines %q in JSON in the log, want %d:\n%s", got, message, n, log.String())
		}
	}
	if !strings.Contains(log.String(), `"settings":"mix.max_delay"`) {
		t.Errorf("the log does not name what counts later:\n%s", log.String())
	}
	// What was said once stands in the file.
	if text, err := os.ReadFile(dir + "/c.toml"); err != nil || !strings.Contains(string(text), "\nannounce = \"192.0.2.1:1\"\n") {
		t.Errorf("the settings are %s, %v", text, err)
	}
}

func supervised(run func(context.Context, *Env[*config.Mixnode]) error) (p Program[*config.Mixnode], e *Env[*config.Mixnode]) {
	p = demo()
	p.Run, p.StopWithin = run, 5*time.Second
	return p, &Env[*config.Mixnode]{Log: zerolog.Nop()}
}

func TestEndings(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		run  func(ctx context.Context) error
		stop bool
		want string // in the error; empty: none
		took time.Duration
	}{
		{"in order", func(ctx context.Context) error { <-ctx.Done(); return nil }, true, "", 0},
		{"in order, with the context's error", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, true, "", 0},
		{"slowly", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(4 * time.Second); return nil }, true, "", 4 * time.Second},
		{"too slowly", func(ctx context.Context) error { <-ctx.Done(); time.Sleep(9 * time.Second); return nil }, true, "did not end within 5s", 5 * time.Second},
		{"with a failure", func(ctx context.Context) error { <-ctx.Done(); return boom }, true, "boom", 0},
		{"too early", func(ctx context.Context) error { return nil }, false, "ended by itself", 0},
		{"by failing", func(ctx context.Context) error { return boom }, false, "boom", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, e := supervised(func(ctx context.Context, _ *Env[*config.Mixnode]) error { return c.run(ctx) })
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			if c.stop {
				stop()
			}
			began := time.Now()
			err := p.supervise(ctx, e, nil, nil)
			if took := time.Since(began); took != c.took {
				t.Errorf("%s: took %v, want %v", c.name, took, c.took)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
			time.Sleep(time.Minute) // for the one that was too slow
		})
	}
}

func TestManyReloadsAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reload := make(chan struct{}, 1)
		p, e := supervised(func(ctx context.Context, e *Env[*config.Mixnode]) error { <-ctx.Done(); return nil })
		e.Reload = reload
		hup := make(chan os.Signal, 1)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- p.supervise(ctx, e, hup, func() { offer(reload) }) }()
		for range 5 {
			hup <- syscall.SIGHUP
		}
		synctest.Wait()
		<-e.Reload
		select {
		case <-e.Reload:
			t.Error("a second reload is waiting")
		default:
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestSupervisorOf(t *testing.T) {
	env := func(m map[string]string) func(string) string { return func(k string) string { return m[k] } }
	for _, c := range []struct {
		env  map[string]string
		want supervisor
	}{
		{nil, supervisor{}},
		{map[string]string{"WATCHDOG_USEC": "1000"}, supervisor{}},
		{map[string]string{"NOTIFY_SOCKET": "@x"}, supervisor{socket: "@x"}},
		{map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000"}, supervisor{"/x", 3 * time.Second}},
		{map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, supervisor{socket: "/x"}},
		{map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "-3"}, supervisor{socket: "/x"}},
	} {
		if got := supervisorOf(env(c.env)); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.env, got, c.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{usagef("x"), 2},
		{Temporary(errors.New("x")), 75},
		{Invalid("x"), 78},
		{errors.Join(errors.New("x"), Invalid("y")), 78},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
	if got, want := message("demo", errors.Join(Invalid("a: b"), Invalid("c"))), "a: b; c"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
}

// hardening.md H38: what libraries log may name hosts.
func TestH38LibrariesDoNotLog(t *testing.T) {
	var b bytes.Buffer
	before := stdlog.Writer()
	defer stdlog.SetOutput(before)
	stdlog.SetOutput(&b)
	newLog(&b, config.Log{Level: "debug", Format: "json"})
	if stdlog.Print("what a host said"); b.Len() > 0 {
		t.Errorf("logged %q", b.String())
	}
}

func TestLogForms(t *testing.T) {
	for _, c := range []struct{ level, format, want string }{
		{"info", "json", `"message":"told"`},
		{"info", "auto", `"message":"told"`}, // a buffer is no terminal
		{"debug", "console", "DBG"},
		{"warn", "json", ""},
		{"off", "console", ""},
	} {
		var b bytes.Buffer
		log, _ := newLog(&b, config.Log{Level: c.level, Format: c.format})
		log.Info().Msg("told")
		log.Debug().Msg("details")
		if got := b.String(); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s, %s: %q, want %q in it", c.level, c.format, got, c.want)
		}
	}
}
