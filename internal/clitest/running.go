package clitest

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Running is a program that runs as a process of its own.
type Running struct {
	name     string
	patience time.Duration
	cmd      *exec.Cmd
	out      *bufio.Reader

	mu  sync.Mutex
	log bytes.Buffer
}

// Start starts a program, which ends with the test if not before. Name is what
// failures call it, patience how long each step that is waited for may take.
func Start(t *testing.T, name string, patience time.Duration, path string, args ...string) *Running {
	t.Helper()
	r := &Running{name: name, patience: patience, cmd: exec.Command(path, args...)}
	r.cmd.Stderr = r
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(out)
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		if t.Failed() {
			t.Logf("log of %s:\n%s", r.name, r.Logged())
		}
	})
	return r
}

// Name is what the program was started as.
func (r *Running) Name() string { return r.name }

// Write takes a part of the program's log.
func (r *Running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

// Logged is what the program has logged.
func (r *Running) Logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// Hides wants none of these secrets in the program's log.
func (r *Running) Hides(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(r.Logged(), secret) {
			t.Errorf("the log of %s has %s in it", r.name, secret)
		}
	}
}

// Line waits for the next line that the program prints.
func (r *Running) Line(t *testing.T) string {
	t.Helper()
	late := time.AfterFunc(r.patience, func() { r.cmd.Process.Kill() })
	defer late.Stop()
	s, err := r.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%s prints nothing: %v", r.name, err)
	}
	return strings.TrimSpace(s)
}

// Says waits until the log has a text n times.
func (r *Running) Says(t *testing.T, text string, n int) {
	t.Helper()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range r.patience / pause {
		if strings.Count(r.Logged(), text) >= n {
			return
		}
		<-tick.C
	}
	t.Fatalf("%s does not say %q", r.name, text)
}

// Signal sends the program a signal.
func (r *Running) Signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Kill kills the program, and returns when it has ended.
func (r *Running) Kill() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// End asks the program to end, and wants it to do so in order.
func (r *Running) End(t *testing.T) {
	t.Helper()
	r.Signal(t, syscall.SIGTERM)
	late := time.AfterFunc(r.patience, func() { r.cmd.Process.Kill() })
	defer late.Stop()
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("%s: %v, want exit code 0", r.name, err)
	}
}
