package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"nym-socks5/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mixnode": func() { os.Exit(cli.Main(program())) }})
}

// The scripts have, beside the usual commands, exits CODE PROGRAM ARGS...,
// which wants that exit code.
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
			e.Setenv("GORACE", "atexit_sleep_ms=0")                      // else each program built with -race sleeps for a second
			e.Setenv("CONFIGURATION_DIRECTORY", e.Getenv("WORK")+"/etc") // whoever runs the tests
			e.Setenv("STATE_DIRECTORY", e.Getenv("WORK")+"/var")
			return nil
		},
	})
}
