package assembly

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/ops"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// Serve runs a node that is up. Whoever started it is told what it does, such as
// "mixing", once the topology has it: before that nobody sends it anything. Whoever
// looks at it sees its counts.
func Serve[C config.Config](ctx context.Context, env *cli.Env[C], src *Source, doing string, run func(context.Context) error, counts func() []ops.Count) error {
	env.Watch(func() ops.Report { return nodeReport(src, env.Keys.Identity.Public(), counts()) })
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return run(ctx) })
	g.Go(func() error {
		listed := func() bool { _, ok := src.node(env.Keys.Identity.Public()); return ok }
		if listed() {
			env.Ready(doing)
			return nil
		}
		env.Ready("up, waiting to be in the topology")
		t := time.NewTicker(lookAgain)
		defer t.Stop()
		for !listed() {
			select {
			case <-t.C:
			case <-ctx.Done():
				return nil
			}
		}
		env.Status(doing)
		return nil
	})
	return g.Wait()
}

// node finds a node in the topology of the moment.
func (s *Source) node(id keys.Identity) (topology.Node, bool) {
	all := s.Current().Nodes()
	at := slices.IndexFunc(all, func(n topology.Node) bool { return n.Identity == id })
	if at < 0 {
		return topology.Node{}, false
	}
	return all[at], true
}

// nodeReport tells how a node fares.
func nodeReport(src *Source, id keys.Identity, counts []ops.Count) ops.Report {
	r := ops.Report{Facts: []ops.Fact{{Name: "identity", Value: id.String()}}, Counts: counts}
	n, listed := src.node(id)
	if !listed {
		r.Waits = "its place in the topology"
		return r
	}
	r.Facts = append(r.Facts, ops.Fact{Name: "role", Value: n.Role.String()}, ops.Fact{Name: "listed at", Value: n.Addr.String()})
	if src.Stale() {
		r.Facts = append(r.Facts, ops.Fact{Name: "topology", Value: "kept by an earlier run; no directory has answered yet"})
	}
	return r
}
