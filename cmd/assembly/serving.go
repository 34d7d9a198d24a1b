package assembly

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/topology"
)

// lookAgain is how often a node looks whether the topology has it: it has the
// topology at hand.
const lookAgain = 200 * time.Millisecond

// Serve runs a node that is up. Whoever started it is told what it does, such as
// "mixing", once the topology has it: before that nobody sends it anything.
func Serve[C config.Config](ctx context.Context, env *cli.Env[C], src *Source, doing string, run func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return run(ctx) })
	g.Go(func() error {
		listed := func() bool {
			return slices.ContainsFunc(src.Current().Nodes(), func(n topology.Node) bool { return n.Identity == env.Keys.Identity.Public() })
		}
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
