package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"nym-socks5/config"
)

// Exit codes.
const (
	exitFailed = 1 // something went wrong while running
	exitUsage  = 2 // the command line is wrong
)

// A usageError is the caller's mistake; its text says what to write instead.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

func exitCode(err error) int {
	if usage := new(usageError); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// message is the one line that tells of an error.
func message(err error) string {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "localnet: "), "fleet: ")
	return strings.Join(strings.Fields(text), " ")
}

// onUsageError is called for unknown flags, and for values of a wrong kind.
func onUsageError(c *cli.Context, err error, _ bool) error {
	return usagef("%v; see %s", err, help(c))
}

// noCommand is called when there is no command, or none of ours.
func noCommand(c *cli.Context) error {
	if c.Args().Present() {
		hint, word := "", c.Args().First()
		var known []string
		for _, k := range c.App.Commands {
			known = append(known, k.Name)
		}
		if meant, ok := config.Closest(word, known); ok {
			hint = fmt.Sprintf(" (did you mean %s?)", meant)
		}
		return usagef("unknown command %q%s; see localnet --help", word, hint)
	}
	return usagef("say what to do: localnet demo, or localnet run; see localnet --help")
}

// noArguments refuses words that are not flags.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected argument %q; see %s", c.Args().First(), help(c))
	}
	return nil
}

// help is the command line that explains a command.
func help(c *cli.Context) string {
	if c.Command == nil || c.Command.Name == "" || c.Command.Name == "localnet" {
		return "localnet --help"
	}
	return "localnet " + c.Command.Name + " --help"
}
