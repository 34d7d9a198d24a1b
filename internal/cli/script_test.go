package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"nym-socks5/config"
	"nym-socks5/internal/clitest"
)

// demo is a program that does nothing but say so.
func demo() Program[*config.Mixnode] {
	return Program[*config.Mixnode]{
		Name:  "demo-node",
		Usage: "says that it is up, and waits",
		About: "It is for tests.",
		New:   config.NewMixnode,
		Keys:  []Key{Identity, Sphinx},
		Check: func(c *config.Mixnode) error {
			if _, err := os.Stat(string(c.Network.Topology)); err != nil {
				return Invalid("network.topology: %v", err)
			}
			return nil
		},
		CheckState: func(_ *config.Mixnode, s *State, _ Keys) error {
			if _, err := os.Stat(s.Path("broken")); err == nil {
				return Invalid("the state is broken")
			}
			return nil
		},
		Renewing: func(c *config.Mixnode, k Key) (string, error) {
			if c.Mix.StrictLayers {
				return "", Invalid("this key is not renewed here")
			}
			return "Tell the network.", nil
		},
		Details: func(c *config.Mixnode, s *State, ks Keys) ([]Detail, error) {
			return []Detail{{"identity_key", ks.Identity.Public().String()}, {"mix_host", c.Mix.Addr().String()}}, nil
		},
		Commands: []Command[*config.Mixnode]{{
			Name: "greet", Usage: "greet somebody", Args: []string{"NAME"},
			Flags: []Flag{{Name: "with", Arg: "WORD", Help: "the word to say", Needed: true}},
			Do: func(c *Call[*config.Mixnode]) ([]Detail, error) {
				return []Detail{{"said", c.Flag("with") + " " + c.Args[0]}, {"at", c.Config.Mix.Addr().String()}}, nil
			},
		}, {
			Name: "friends", Usage: "those who are greeted",
			Commands: []Command[*config.Mixnode]{
				{Name: "count", Usage: "count them", Do: func(*Call[*config.Mixnode]) ([]Detail, error) { return []Detail{{"friends", "0"}}, nil }},
				{Name: "forget", Usage: "forget them all", Alone: true, Do: func(*Call[*config.Mixnode]) ([]Detail, error) { return nil, nil }},
			},
		}},
		Run: func(ctx context.Context, e *Env[*config.Mixnode]) error {
			fmt.Fprintln(e.Out, "announcing", e.Config.Mix.Addr())
			if e.Config.Mix.StrictLayers { // stands for a failure
				return errors.New("the port caught fire")
			}
			e.Ready("waiting")
			for {
				select {
				case <-e.Reload:
					fmt.Fprintln(e.Out, "reloaded")
				case <-ctx.Done():
					fmt.Fprintln(e.Out, "ended")
					return nil
				}
			}
		},
	}
}

func TestMain(m *testing.M) {
	clitest.Main(m, map[string]func() int{
		"demo-node": func() int { return Main(demo()) },
		"core-dumps": func() int {
			if err := NoCoreDumps(); err != nil {
				fmt.Println(err)
				return 1
			}
			reportCoreDumps()
			return 0
		},
		"become-nobody": becomeNobody,
	})
}

func TestScripts(t *testing.T) { clitest.Scripts(t) }
