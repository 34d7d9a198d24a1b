package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"nym-socks5/internal/clitest"
)

// buildFlags are those of the programs that the scripts run.
var buildFlags []string

// TestMain builds the programs and puts them where the scripts find them.
func TestMain(m *testing.M) {
	dir, err := buildPrograms()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func buildPrograms() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "localnet-test-"); err != nil {
		return "", err
	}
	args := append(buildFlags, ".", // and the programs of networks of processes
		"../directory", "../mixnode", "../gateway", "../network-requester", "../nym-socks5", "../nym-client")
	if err := clitest.Build(dir, args...); err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return dir, os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}
