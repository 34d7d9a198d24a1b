package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// The modes of a child.
const (
	childIdle  = "idle"  // a whole network without traffic
	childRelay = "relay" // one mix node

	childSessions = "sessions" // a gateway
	childConns    = "conns"    // bare connections
	childFlood    = "flood"    // somebody who floods
)

// Child is the child's side: it does what the mode says and talks with its
// parent in lines of JSON. It ends with its input.
func Child(ctx context.Context, mode string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &pipe{in: bufio.NewReader(in), out: out}
	switch mode {
	case childIdle:
		return idleChild(ctx, p)
	case childRelay:
		return relayChild(ctx, p)
	case childSessions:
		return sessionsChild(ctx, p)
	case childConns:
		return connsChild(ctx, p)
	case childFlood:
		return floodChild(ctx, p)
	}
	return fmt.Errorf("bench: there is no child %q", mode)
}

// A pipe carries lines of JSON both ways.
type pipe struct {
	in  *bufio.Reader
	out io.Writer
}

func (p *pipe) send(v any) error { return json.NewEncoder(p.out).Encode(v) }

// receive fails with io.EOF when the other end is gone.
func (p *pipe) receive(v any) error {
	line, err := p.in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

// ask sends a question and waits for the answer.
func (p *pipe) ask(question, answer any) error {
	if err := p.send(question); err != nil {
		return err
	}
	return p.receive(answer)
}

// withChild runs a measurement that talks with a child of its own.
func withChild[V any](l *Lab, mode string, measure func(*pipe) (V, error)) (v V, err error) {
	if l.child == nil {
		return v, errors.New("no way to start a child")
	}
	line, err := l.child(mode)
	if err != nil {
		return v, err
	}
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return v, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return v, err
	}
	if err := cmd.Start(); err != nil {
		return v, err
	}
	v, err = measure(&pipe{in: bufio.NewReader(out), out: in})
	in.Close() // the child ends
	if err != nil {
		cancel() // at once
	}
	if end := cmd.Wait(); err == nil {
		err = end
	}
	return v, err
}
