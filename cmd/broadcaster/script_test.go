package main

import (
	"testing"

	"nym-socks5/internal/cli"
	"nym-socks5/internal/clitest"
)

func TestMain(m *testing.M) {
	clitest.Main(m, map[string]func() int{"broadcaster": func() int { return cli.Main(program()) }})
}

func TestScripts(t *testing.T) { clitest.Scripts(t) }
