package clitest

import (
	"errors"
	"maps"
	"net"
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

// Commands are what scripts can say, by name.
type Commands = map[string]func(ts *testscript.TestScript, neg bool, args []string)

// Scripts runs the scripts in testdata/script, which may use more commands.
func Scripts(t *testing.T, more ...Commands) {
	commands := Commands{"exits": Exits, "address": address, "listening": Listening}
	for _, m := range more {
		maps.Copy(commands, m)
	}
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: commands,
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

// Exits is the command of that name.
func Exits(ts *testscript.TestScript, neg bool, args []string) {
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

func address(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: address VAR")
	}
	at, err := free(loopback())
	ts.Check(err)
	ts.Setenv(args[0], at)
}

// Listening is the command of that name.
func Listening(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listening VAR")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv(args[0], ln.Addr().String())
}
