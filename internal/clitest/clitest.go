package clitest

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Main runs the tests, or the program by whose name the binary was called. A
// program gives its exit code.
func Main(m *testing.M, programs map[string]func() int) {
	commands := make(map[string]func())
	for name, run := range programs {
		commands[name] = func() { os.Exit(run()) }
	}
	testscript.Main(m, commands)
}

// Scripts runs the scripts in testdata/script.
func Scripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else each program built with -race sleeps for a second
			for _, dir := range []string{"XDG_CONFIG_HOME", "CONFIGURATION_DIRECTORY"} {
				e.Setenv(dir, e.Getenv("WORK")+"/etc")
			}
			for _, dir := range []string{"XDG_STATE_HOME", "STATE_DIRECTORY"} {
				e.Setenv(dir, e.Getenv("WORK")+"/var")
			}
			return nil
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
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
}
