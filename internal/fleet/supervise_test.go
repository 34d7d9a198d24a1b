package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// patience is how long a step may take. None takes more than a second or two.
const patience = time.Minute

// A play is a network whose parts are the test binary: each is told by its name
// what to do, and holds a connection to the test while it lives.
type play struct {
	*Network
	ln    net.Listener
	log   bytes.Buffer
	alive map[string][]net.Conn // of each part, the connections of its lives
}

// partVariable has the address where a part reports that it lives.
const partVariable = "FLEET_TEST_REPORT"

// playPart is one of the parts of a play.
func playPart() error {
	name := strings.TrimSuffix(filepath.Base(os.Args[3]), ".toml") // run --config FILE
	c, err := net.Dial("tcp", os.Getenv(partVariable))
	if err != nil {
		return err
	}
	fmt.Fprintln(c, name)
	tell := func(s string) {
		n, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
		if err != nil {
			panic(err)
		}
		io.WriteString(n, s)
		n.Close()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if name == "broken" {
		return errors.New("broken: there is no such port")
	}
	tell("STATUS=up") // which does not make it ready
	if name != "silent" {
		tell("READY=1")
	}
	if name == "crasher" {
		return errors.New("crasher: out of luck")
	}
	<-ctx.Done()
	if name == "stubborn" {
		select {}
	}
	return nil
}

// newPlay makes a network of such parts.
func newPlay(t *testing.T, names ...string) *play {
	t.Helper()
	dir := t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	p := &play{ln: ln, alive: make(map[string][]net.Conn)}
	t.Setenv(fleetTestRole, "part")
	t.Setenv(partVariable, ln.Addr().String())
	p.Network = playNetwork(t, dir, names...)
	p.Network.log = zerolog.New(&p.log)
	p.super = newTree(p.Network)
	return p
}

func playNetwork(t interface{ Fatal(...any) }, dir string, names ...string) *Network {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := &Network{Dir: dir, programs: Programs{"one": self, "two": self}, folder: folder(dir), limits: usualLimits}
	if err := n.folder.make("log", "run"); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		n.Parts = append(n.Parts, Part{Name: name, Program: []string{"one", "two"}[i%2]})
	}
	n.super = newTree(n)
	return n
}

// run runs the network until the function that it gives is called.
func (p *play) run(t *testing.T) (end func() error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	over := false
	end = func() error {
		over = true
		stop()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("it does not end")
		}
	}
	t.Cleanup(func() {
		if !over {
			end()
		}
	})
	return end
}

func (p *play) ready(t *testing.T) {
	t.Helper()
	select {
	case <-p.Ready():
	case <-time.After(patience):
		t.Fatalf("the network is not up: %+v", p.List())
	}
}

// born waits for the next part that comes to life.
func (p *play) born(t *testing.T) (name string) {
	t.Helper()
	p.ln.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := p.ln.Accept()
	if err != nil {
		t.Fatalf("no part was started: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	var line [64]byte
	n, err := c.Read(line[:])
	if err != nil {
		t.Fatal(err)
	}
	name = strings.TrimSpace(string(line[:n]))
	p.alive[name] = append(p.alive[name], c)
	return name
}

// dead waits until the first life of a part that is not yet known to be over is.
func (p *play) dead(t *testing.T, name string) {
	t.Helper()
	c := p.alive[name][0]
	p.alive[name] = p.alive[name][1:]
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%s lives: %v", name, err)
	}
}

func (p *play) part(name string) Info {
	all := p.List()
	return all[slices.IndexFunc(all, func(i Info) bool { return i.Name == name })]
}

func TestParts(t *testing.T) {
	p := newPlay(t, "a", "b", "c")
	if err := p.Kill(expired(), "a"); err == nil {
		t.Error("a part of a network that does not run was killed")
	}
	end := p.run(t)
	for _, want := range []string{"a", "b", "c"} { // one after the other
		if got := p.born(t); got != want {
			t.Errorf("%s came to life, want %s", got, want)
		}
	}
	p.ready(t)
	before := p.part("b")
	if before.State != Running || before.Status != "up" || before.PID == 0 || before.Deaths != 0 {
		t.Errorf("b is %+v", before)
	}

	must(t, p.Kill(t.Context(), "b"))
	p.dead(t, "b")
	wantError(t, p.Kill(t.Context(), "b"), "b does not run")
	wantError(t, p.Stop(t.Context(), "b"), "b does not run")
	if b := p.part("b"); b.State != Stopped || b.PID != 0 || b.Deaths != 0 {
		t.Errorf("killed, b is %+v", b)
	}
	must(t, p.Start(t.Context(), "b"))
	p.born(t)
	wantError(t, p.Start(t.Context(), "b"), "b runs already")
	if b := p.part("b"); b.State != Running || b.PID == before.PID {
		t.Errorf("started again, b is %+v", b)
	}
	must(t, p.Stop(t.Context(), "a"))
	p.dead(t, "a")
	wantError(t, p.Start(t.Context(), "bb"), `there is no "bb" (did you mean b?)`)

	must(t, end())
	for _, name := range []string{"b", "c"} {
		p.dead(t, name)
	}
	for _, i := range p.List() {
		if i.State != Stopped || i.PID != 0 {
			t.Errorf("in the end, %+v", i)
		}
	}
	for _, left := range []string{"control", "a", "b", "c"} {
		if _, err := os.Lstat(p.folder.socket(left)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket %s is left: %v", left, err)
		}
	}
}

func expired() context.Context {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want an error with %q", err, text)
	}
}

// What dies by itself is started again, at first soon, and is counted.
func TestDeadPartIsStartedAgain(t *testing.T) {
	p := newPlay(t, "a", "b")
	end := p.run(t)
	p.born(t)
	p.born(t)
	p.ready(t)
	for range 2 {
		if err := syscall.Kill(p.part("b").PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.dead(t, "b")
		if got := p.born(t); got != "b" {
			t.Fatalf("%s came to life", got)
		}
		for tick := time.Tick(time.Millisecond); p.part("b").State != Running; <-tick {
		}
	}
	if b := p.part("b"); b.Deaths != 2 {
		t.Errorf("b is %+v, want two deaths", b)
	}
	must(t, end())
	if log := p.log.String(); strings.Count(log, `"part":"b","reason":"signal: killed"`) != 2 {
		t.Errorf("the log is\n%s", log)
	}
}

// A part that waits to be started again can be stopped, and started at once.
func TestWaitingPart(t *testing.T) {
	p := newPlay(t, "crasher")
	end := p.run(t)
	p.born(t)
	p.ready(t)
	for range 2 { // the pauses grow
		p.dead(t, "crasher")
		p.born(t)
	}
	p.dead(t, "crasher")
	for tick := time.Tick(time.Millisecond); p.part("crasher").State != Waiting; <-tick {
	}
	must(t, p.Stop(t.Context(), "crasher"))
	if got := p.part("crasher").State; got != Stopped {
		t.Errorf("it is %v", got)
	}
	must(t, p.Start(t.Context(), "crasher"))
	p.born(t)
	must(t, end())
	if !strings.Contains(p.log.String(), `"reason":"crasher: out of luck"`) {
		t.Errorf("the log does not tell why:\n%s", p.log.String())
	}
}

func TestPartThatDoesNotComeUp(t *testing.T) {
	t.Run("broken", func(t *testing.T) {
		p := newPlay(t, "a", "broken", "c")
		err := p.Run(t.Context())
		wantError(t, err, "broken ended before it was up: broken: there is no such port; its log is "+p.folder.log("broken"))
		p.born(t)
		p.dead(t, "a")
	})
	t.Run("silent", func(t *testing.T) {
		p := newPlay(t, "silent")
		p.limits.up = 200 * time.Millisecond
		wantError(t, p.Run(t.Context()), "silent took longer than 200ms")
		if i := p.part("silent"); i.State != Stopped || i.PID != 0 {
			t.Errorf("afterwards it is %+v", i)
		}
	})
	t.Run("missing program", func(t *testing.T) {
		p := newPlay(t, "a")
		p.programs["one"] = filepath.Join(p.Dir, "nothing")
		wantError(t, p.Run(t.Context()), "no such file")
	})
}

// Who does not end when asked to is ended.
func TestStubbornPart(t *testing.T) {
	for name, set := range map[string]func(*limits){
		"one":  func(l *limits) { l.stop = 100 * time.Millisecond },
		"late": func(l *limits) { l.down = 100 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t, "a", "stubborn")
			set(&p.limits)
			end := p.run(t)
			p.born(t)
			p.born(t)
			p.ready(t)
			err := end()
			if late := name == "late"; (err != nil) != late {
				t.Errorf("ended with %v", err)
			}
			p.dead(t, "stubborn")
			p.dead(t, "a")
		})
	}
}

func TestControl(t *testing.T) {
	p := newPlay(t, "a", "b")
	_, err := Ask(t.Context(), p.Dir, Request{Do: "list"})
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
	end := p.run(t)
	p.born(t)
	p.born(t)
	p.ready(t)
	ask := func(do, name string) ([]Info, error) { return Ask(t.Context(), p.Dir, Request{do, name}) }
	all, err := ask("list", "")
	if err != nil || len(all) != 2 || !all[0].Since.Equal(p.List()[0].Since) {
		t.Fatalf("got %+v, %v; want %+v", all, err, p.List())
	}
	got, want := all[0], p.List()[0]
	got.Since = want.Since
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if all, err := ask("kill", "a"); err != nil || all[0].State != Stopped {
		t.Errorf("kill: %+v, %v", all, err)
	}
	p.dead(t, "a")
	if all, err := ask("start", "a"); err != nil || all[0].State != Running {
		t.Errorf("start: %+v, %v", all, err)
	}
	p.born(t)
	if all, err := ask("stop", "a"); err != nil || all[0].State != Stopped {
		t.Errorf("stop: %+v, %v", all, err)
	}
	_, err = ask("stop", "aa")
	wantError(t, err, `there is no "aa"`)
	_, err = ask("eat", "a")
	wantError(t, err, `"eat" cannot be done`)

	// Only the owner of the folder has a say (H34).
	if info, err := os.Stat(filepath.Dir(p.folder.socket(control))); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the socket has mode %v, %v", info.Mode(), err)
	}
	second := playNetwork(t, p.Dir, "a")
	wantError(t, second.Run(t.Context()), "a network runs in "+p.Dir+" already")

	// What is no request is answered by a closed connection, or with an error.
	c, err := net.Dial("unix", p.folder.socket(control))
	must(t, err)
	defer c.Close()
	c.Write(bytes.Repeat([]byte("x"), 2*maxRequest))
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("too long a request is answered %q", b)
	}
	must(t, end())
	if _, err := ask("list", ""); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

// runFleet is a network of parts in a process of its own.
func runFleet() error {
	os.Setenv(fleetTestRole, "part")
	n := playNetwork(fatal{}, os.Getenv("DIR"), "a", "b", "c")
	return n.Run(context.Background())
}

type fatal struct{}

func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
