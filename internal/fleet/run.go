package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"nym-socks5/config"
)

// A tree has the supervisors of all parts.
type tree struct {
	supervisors []*supervisor
	ready       chan struct{}
}

func newTree(n *Network) *tree {
	s := &tree{ready: make(chan struct{})}
	for _, p := range n.Parts {
		s.supervisors = append(s.supervisors, &supervisor{
			net: n, part: p, log: n.log,
			orders: make(chan order), hurry: make(chan struct{}), ended: make(chan struct{}),
			info: Info{Name: p.Name, Program: p.Program},
		})
	}
	return s
}

// Ready is closed when all parts have come up for the first time.
func (n *Network) Ready() <-chan struct{} { return n.super.ready }

// Run runs all programs until ctx ends, then returns nil. All have ended when it
// returns. It fails if one does not come up; later, one that ends is started
// again. It can be called once.
func (n *Network) Run(ctx context.Context) error {
	ln, err := n.openControl()
	if err != nil {
		return err
	}
	spawn := newSpawner()
	defer spawn.close()
	for _, k := range n.super.supervisors {
		k.spawn = spawn
		go k.loop()
	}
	var serving sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	serving.Go(func() { n.serveControl(ctx, ln) })
	if err = n.bringUp(ctx); err == nil {
		close(n.super.ready)
		<-ctx.Done()
	} else if ctx.Err() != nil {
		err = nil
	}
	stop()
	serving.Wait()
	return errors.Join(err, n.bringDown())
}

// bringUp starts the parts one after the other, each when those before it are up.
func (n *Network) bringUp(ctx context.Context) error {
	for _, k := range n.super.supervisors {
		if err := k.order(ctx, doStart, n.limits.up); err != nil {
			return err
		}
	}
	return nil
}

// bringDown ends the parts: in reverse, those of one program at a time, and when
// the time is over all at once.
func (n *Network) bringDown() error {
	late := time.AfterFunc(n.limits.down, func() {
		for _, k := range n.super.supervisors {
			close(k.hurry)
		}
	})
	parts := slices.Clone(n.super.supervisors)
	slices.Reverse(parts)
	for len(parts) > 0 {
		same := 1
		for same < len(parts) && parts[same].part.Program == parts[0].part.Program {
			same++
		}
		var group sync.WaitGroup
		for _, k := range parts[:same] {
			group.Go(func() {
				k.orders <- order{doQuit, make(chan error, 1)}
				<-k.ended
			})
		}
		group.Wait()
		parts = parts[same:]
	}
	if !late.Stop() {
		return fmt.Errorf("fleet: the network did not end within %v, and was killed", n.limits.down)
	}
	return nil
}

// order tells a supervisor what to do and waits until it is done.
func (s *supervisor) order(ctx context.Context, v verb, within time.Duration) error {
	late := time.NewTimer(within)
	defer late.Stop()
	o := order{v, make(chan error, 1)}
	var orders chan<- order = s.orders
	for {
		select {
		case orders <- o:
			orders = nil
		case err := <-o.answer:
			return err
		case <-s.ended:
			return net.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("fleet: %s took longer than %v; its log is %s", s.part.Name, within, s.net.folder.log(s.part.Name))
		}
	}
}

// List describes all parts.
func (n *Network) List() (all []Info) {
	for _, k := range n.super.supervisors {
		all = append(all, k.describe())
	}
	return all
}

// Start starts a part that was stopped or killed, and waits until it is up. The
// network must be running.
func (n *Network) Start(ctx context.Context, name string) error {
	return n.tell(ctx, name, doStart)
}

// Stop asks a part to end, waits until it has, and leaves it so.
func (n *Network) Stop(ctx context.Context, name string) error {
	return n.tell(ctx, name, doStop)
}

// Kill ends a part at once, as a power failure would, and leaves it so.
func (n *Network) Kill(ctx context.Context, name string) error {
	return n.tell(ctx, name, doKill)
}

func (n *Network) tell(ctx context.Context, name string, v verb) error {
	var known []string
	for _, k := range n.super.supervisors {
		if k.part.Name == name {
			return k.order(ctx, v, n.limits.up)
		}
		known = append(known, k.part.Name)
	}
	hint := ""
	if meant, ok := config.Closest(name, known); ok {
		hint = fmt.Sprintf(" (did you mean %s?)", meant)
	}
	return fmt.Errorf("fleet: there is no %q%s; localnet list tells what there is", name, hint)
}
