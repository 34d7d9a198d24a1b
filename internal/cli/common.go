package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// Common gives the commands that every program has, whatever it does: build-info,
// completion and man. It is for a program that is no [Program].
func Common(name string) []*cli.Command {
	command := func(word, usage string, action cli.ActionFunc, flags ...cli.Flag) *cli.Command {
		return &cli.Command{
			Name: word, Usage: usage, UsageText: name + " " + word + " [flags]", Flags: flags,
			HideHelpCommand: true, OnUsageError: OnUsageError,
			Action: func(c *cli.Context) error {
				if err := NoArguments(c); err != nil {
					return err
				}
				return action(c)
			},
		}
	}
	completion := command("completion", "print a script that completes command lines", nil)
	completion.UsageText = name + " completion bash|zsh|fish"
	completion.Action = complete // it takes an argument
	return []*cli.Command{
		command("build-info", "print what this program was built from", func(c *cli.Context) error { return writeBuildInfo(c, name) }, outputFlag()),
		completion,
		command("man", "print the manual page", man),
	}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "text", Usage: "`FORMAT`: text or json"}
}

// ExitCode gives the exit code for how a program ended.
func ExitCode(err error) int { return exitCode(err) }

// NoCommand is called where a word is missing, or is no command of the program.
// Such is what it could be.
func NoCommand(c *cli.Context, such string) error {
	name := c.App.Name
	if !c.Args().Present() {
		return usagef("say what to do, such as %s; see %s --help", such, name)
	}
	word := c.Args().First()
	var known []string
	for _, k := range c.App.Commands {
		known = append(known, k.Name)
	}
	return usagef("unknown command %q%s; see %s --help", word, didYouMean(word, known, ""), name)
}

// OnUsageError is called for unknown flags, and for values of a wrong kind.
func OnUsageError(c *cli.Context, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: "); ok {
		name = strings.TrimLeft(name, "-")
		var known []string
		if c.Command != nil {
			for _, f := range c.Command.VisibleFlags() {
				known = append(known, f.Names()...)
			}
		}
		text = fmt.Sprintf("unknown flag --%s%s", name, didYouMean(name, known, "--"))
	}
	return usagef("%s; see %s", text, Help(c))
}

// NoArguments refuses words that are not flags.
func NoArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected argument %q; see %s", c.Args().First(), Help(c))
	}
	return nil
}

// Help is the command line that explains a command.
func Help(c *cli.Context) string {
	if c.Command == nil || c.Command.Name == "" || c.Command.Name == c.App.Name {
		return c.App.Name + " --help"
	}
	if c.Command.HelpName != "" { // the words above it too
		return c.Command.HelpName + " --help"
	}
	return c.App.Name + " " + c.Command.Name + " --help"
}
