package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"nym-socks5/config"
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
		Details: func(c *config.Mixnode, s *State, ks Keys) ([]Detail, error) {
			return []Detail{{"identity_key", ks.Identity.Public().String()}, {"mix_host", c.Mix.Addr().String()}}, nil
		},
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
	testscript.Main(m, map[string]func(){
		"demo-node": func() { os.Exit(Main(demo())) },
		"core-dumps": func() {
			if err := NoCoreDumps(); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			reportCoreDumps()
		},
	})
}

// The scripts run the program as a shell would. Beside the usual commands they
// have exits CODE PROGRAM ARGS..., which wants that exit code.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				if err := ts.Exec(args[1], args[2:]...); err != nil {
					exit := new(exec.ExitError)
					if !errors.As(err, &exit) {
						ts.Fatalf("%v", err)
					}
					got = exit.ExitCode()
				}
				if got != want {
					ts.Fatalf("exit code %d, want %d", got, want)
				}
			},
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each program built with -race sleeps for a second
			e.Setenv("XDG_CONFIG_HOME", e.Getenv("WORK")+"/etc")
			e.Setenv("XDG_STATE_HOME", e.Getenv("WORK")+"/var")
			e.Setenv("CONFIGURATION_DIRECTORY", e.Getenv("WORK")+"/etc") // also if root runs the tests
			e.Setenv("STATE_DIRECTORY", e.Getenv("WORK")+"/var")
			return nil
		},
	})
}
