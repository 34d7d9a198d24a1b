package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nym-socks5/internal/clitest"
	"nym-socks5/internal/socksclient"
)

// TestScripts runs testdata/script/*.txt against the real program. Beside the
// usual commands the scripts have those of scriptCommands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: scriptCommands,
		Setup: func(e *testscript.Env) error {
			e.Values[runningKey{}] = make(map[string]*running)
			e.Setenv("XDG_RUNTIME_DIR", e.Getenv("WORK")+"/runtime")
			e.Setenv("XDG_STATE_HOME", e.Getenv("WORK")+"/state")
			return nil
		},
	})
}

var scriptCommands = clitest.Commands{
	"web":       cmdWeb,
	"start":     cmdStart,
	"end":       cmdEnd,
	"reply":     cmdReply,
	"builtin":   cmdBuiltin,
	"say":       cmdSay,
	"exits":     clitest.Exits,
	"listening": clitest.Listening,
}

// scriptLimit is how long a step may take before the script fails.
const scriptLimit = time.Minute

// web FILE: a web server on 127.0.0.1 that gives FILE at every path. It sets
// $WEB to its address, and $CLOSED to one where connections are refused.
func cmdWeb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: web FILE")
	}
	body := []byte(ts.ReadFile(args[0]))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
	ts.Defer(server.Close)
	held, err := net.Dial("tcp", server.Listener.Addr().String()) // its port is taken, and nobody listens
	ts.Check(err)
	ts.Defer(func() { held.Close() })
	ts.Setenv("WEB", server.Listener.Addr().String())
	ts.Setenv("CLOSED", held.LocalAddr().String())
}

// A running is a localnet in the background.
type running struct {
	cmd    *exec.Cmd
	out    *watched
	errOut bytes.Buffer  // read it after done
	done   chan struct{} // closed when it has ended
}

type runningKey struct{}

func runs(ts *testscript.TestScript) map[string]*running {
	return ts.Value(runningKey{}).(map[string]*running)
}

// watched keeps what is written, and tells once when it matches.
type watched struct {
	until *regexp.Regexp
	found chan string // has room for one

	mu   sync.Mutex
	text bytes.Buffer
	told bool
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if m := w.until.FindSubmatch(w.text.Bytes()); m != nil && !w.told {
		w.told = true
		w.found <- string(m[1])
	}
	return len(b), nil
}

// start NAME ARGS...: runs localnet in the background until it says how to use
// it, and sets $SOCKS to its port.
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARGS...")
	}
	r := &running{
		cmd:  exec.Command("localnet", args[1:]...),
		out:  &watched{until: regexp.MustCompile(`\n  curl --socks5-hostname (\S+) .*\n`), found: make(chan string, 1)},
		done: make(chan struct{}),
	}
	r.cmd.Stdout, r.cmd.Stderr = r.out, &r.errOut
	r.cmd.Dir = ts.Getenv("WORK")
	r.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+ts.Getenv("XDG_RUNTIME_DIR"), "TMPDIR="+ts.Getenv("TMPDIR"))
	ts.Check(r.cmd.Start())
	go func() { defer close(r.done); r.cmd.Wait() }()
	ts.Defer(func() { r.cmd.Process.Kill(); <-r.done })
	runs(ts)[args[0]] = r
	select {
	case socks := <-r.out.found:
		ts.Setenv("SOCKS", socks)
	case <-r.done:
		ts.Fatalf("localnet ended: %v\n%s", r.cmd.ProcessState, r.errOut.String())
	case <-time.After(scriptLimit):
		ts.Fatalf("localnet is not up")
	}
}

// end NAME SIGNAL: sends TERM or INT, waits, and wants exit code 0. What the
// program said is in the files NAME.out and NAME.err afterwards.
func cmdEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: end NAME TERM|INT")
	}
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt}
	r := runs(ts)[args[0]]
	ts.Check(r.cmd.Process.Signal(signals[args[1]]))
	select {
	case <-r.done:
	case <-time.After(scriptLimit):
		ts.Fatalf("localnet does not end")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), r.out.text.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), r.errOut.Bytes(), 0o600))
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("exit code %d, want 0\n%s", code, r.errOut.String())
	}
}

// reply CODE TARGET: connects to TARGET by SOCKS5 and wants this reply code.
func cmdReply(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: reply CODE TARGET")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), scriptLimit)
	defer cancel()
	d := socksclient.Dialer{Proxy: ts.Getenv("SOCKS")}
	c, err := d.DialContext(ctx, "tcp", args[1])
	if err == nil {
		c.Close()
		err = &socksclient.ReplyError{Version: socksclient.V5}
	}
	reply := new(socksclient.ReplyError)
	if !errors.As(err, &reply) || int(reply.Code) != want {
		ts.Fatalf("%v, want reply %d", err, want)
	}
}

// builtin VERSION URL FILE: fetches URL with the program's own client, for
// machines without curl. VERSION is 5, 4a or 4.
func cmdBuiltin(ts *testscript.TestScript, neg bool, args []string) {
	versions := map[string]socksclient.Version{"5": socksclient.V5, "4a": socksclient.V4a, "4": socksclient.V4}
	if neg || len(args) != 3 || versions[args[0]] == 0 {
		ts.Fatalf("usage: builtin 5|4a|4 URL FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), scriptLimit)
	defer cancel()
	var body bytes.Buffer
	ts.Check(builtin{ts.Getenv("SOCKS")}.get(ctx, versions[args[0]], args[1], &body))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), body.Bytes(), 0o600))
}

// say TEXT...: puts a line into the test's log.
func cmdSay(ts *testscript.TestScript, neg bool, args []string) {
	ts.Logf("%s", strings.Join(args, " "))
}
