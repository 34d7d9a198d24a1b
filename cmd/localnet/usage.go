package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	common "nym-socks5/internal/cli"
)

// usagef makes an error of a command line that is wrong.
func usagef(format string, args ...any) error { return common.Usage(format, args...) }

// message is the one line that tells of an error.
func message(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "localnet: "), "fleet: ")
	return strings.Join(strings.Fields(text), " ")
}

// noCommand is called when there is no command, or none of ours.
func noCommand(c *cli.Context) error { return common.NoCommand(c, "localnet demo, or localnet run") }
