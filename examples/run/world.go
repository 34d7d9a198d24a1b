package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A world is built programs and a network that runs.
type world struct {
	dir, bin  string
	directory string // URL
	out       io.Writer

	mu      sync.Mutex
	running []*process
	runs    int
}

// newWorld builds the programs and starts a network.
func newWorld(ctx context.Context, out io.Writer) (w *world, err error) {
	dir, err := os.MkdirTemp("", "nym-examples-")
	if err != nil {
		return nil, err
	}
	w = &world{dir: dir, bin: filepath.Join(dir, "bin"), out: out}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err := os.Mkdir(w.bin, 0o700); err != nil {
		return nil, err
	}
	fmt.Fprintln(out, "compiling; the first time that takes a minute")
	if _, err := w.output(ctx, "", "go", "build", "-o", w.bin, "./cmd/localnet", "./cmd/nym-client", "./cmd/nym-socks5", "./cmd/network-requester", "./examples/..."); err != nil {
		return nil, err
	}
	// The rule is for the network's own requester, which no example uses.
	network, err := w.start(ctx, "", "localnet", "run", "--log-level", "warn", "--socks", "127.0.0.1:0", "--directory", "127.0.0.1:0", "--allow", "example.org:443")
	if err != nil {
		return nil, err
	}
	line, err := network.line(ctx, "  directory")
	if err != nil {
		return nil, err
	}
	w.directory = strings.Fields(line)[0]
	return w, nil
}

// run runs one example, and ends what it has started.
func (w *world) run(ctx context.Context, e example) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w.mu.Lock()
	before := len(w.running)
	w.mu.Unlock()
	err := e.run(ctx, w)
	w.mu.Lock()
	started := w.running[before:]
	w.running = w.running[:before]
	w.mu.Unlock()
	for i := len(started) - 1; i >= 0; i-- {
		p := started[i]
		if ended := p.end(); ended != nil {
			err = errors.Join(err, ended)
		}
		if err != nil {
			if log := p.log(); log != "" {
				fmt.Fprintf(w.out, "--- %s said:\n%s", p.name, log)
			}
		}
	}
	return err
}

// close ends everything and removes what it left.
func (w *world) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.running {
		p.end()
	}
	os.RemoveAll(w.dir)
}

// say tells what happens.
func (w *world) say(format string, args ...any) { fmt.Fprintf(w.out, "  "+format+"\n", args...) }

// folder makes a new folder for state.
func (w *world) folder() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs++
	dir := filepath.Join(w.dir, fmt.Sprint("state-", w.runs))
	os.Mkdir(dir, 0o700) // whoever uses it notices if that fails
	return dir
}

// command makes a command line. A program of ours is named without its folder.
func (w *world) command(ctx context.Context, argv []string) *exec.Cmd {
	name := argv[0]
	if _, err := os.Stat(filepath.Join(w.bin, name)); err == nil {
		name = filepath.Join(w.bin, name)
	}
	cmd := exec.CommandContext(ctx, name, argv[1:]...)
	cmd.Env = append(os.Environ(), "NODE_OPTIONS="+nodeOptions(), "NODE_NO_WARNINGS=1", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second // then it is killed
	return cmd
}

// nodeOptions gives Node.js 20 the WebSocket that later ones have.
var nodeOptions = sync.OnceValue(func() string {
	if version, err := exec.Command("node", "--version").Output(); err == nil && strings.HasPrefix(string(version), "v20.") {
		return "--experimental-websocket"
	}
	return ""
})

// output runs a program to its end and gives what it printed.
func (w *world) output(ctx context.Context, in string, argv ...string) (string, error) {
	cmd := w.command(ctx, argv)
	cmd.Stdin = strings.NewReader(in)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(failure.String()))
	}
	return string(out), nil
}

// A process is a program that runs beside the others.
type process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it prints; what nobody reads for long is dropped
	ended chan struct{}
	err   error // once ended

	mu     sync.Mutex
	logged bytes.Buffer // the end of what it has logged
}

// start starts a program in a folder; empty: the current one.
func (w *world) start(ctx context.Context, dir string, argv ...string) (*process, error) {
	cmd := w.command(context.WithoutCancel(ctx), argv) // ended by world.run, in order
	cmd.Dir = dir
	p := &process{name: argv[0], cmd: cmd, lines: make(chan string, 1024), ended: make(chan struct{})}
	cmd.Stderr = p
	out, err := cmd.StdoutPipe()
	if err == nil {
		p.in, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default:
			}
		}
		p.err = cmd.Wait()
		close(p.ended)
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = append(w.running, p)
	return p, nil
}

// Write takes a part of the log, of which the end is kept.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logged.Write(b)
	p.logged.Next(max(0, p.logged.Len()-1<<16))
	return len(b), nil
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logged.String()
}

// line waits for a line that begins so, and gives the rest of it.
func (p *process) line(ctx context.Context, prefix string) (string, error) {
	for {
		select {
		case line := <-p.lines:
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return rest, nil
			}
		case <-p.ended:
			return "", fmt.Errorf("%s ended before it said %q: %v: %s", p.name, prefix, p.err, p.log())
		case <-ctx.Done():
			return "", fmt.Errorf("%s did not say %q in time", p.name, prefix)
		}
	}
}

// kill ends the program as a crash would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
	p.err = nil // that was us
}

// end asks the program to end, and reports if it does not do so in order.
func (p *process) end() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.kill()
		return fmt.Errorf("%s did not end in 20 seconds, and was killed", p.name)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return nil // scripts do not take it
	}
	if p.err != nil {
		return fmt.Errorf("%s ended badly: %w", p.name, p.err)
	}
	return nil
}
