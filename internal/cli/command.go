package cli

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nym-socks5/config"
)

// A Command is one that only this program has. It finds its instance as run does
// and prints what it did, as text or JSON.
type Command[C config.Config] struct {
	Name  string // such as "allow"
	Usage string // one line
	// Args are what its arguments are called, such as "IDENTITY". All are needed, but
	// for a last one in brackets.
	Args []string
	// Flags are its own, beside those that choose an instance and settings.
	Flags []Flag
	// Settings are those that it looks at, such as "directory.members". It takes the
	// flags of all, as run does, and its help shows these.
	Settings []string
	// Alone has it take the state folder for itself: the program must not run.
	// Without it the program may, and files of the folder must be written whole.
	Alone bool
	// Stateless has it need no instance, but look at settings, as check-config does:
	// its Call has neither State nor Keys.
	Stateless bool
	// Free has it need no instance: its Call has only arguments and flags of its own.
	Free bool
	// Do does it. What it did is printed, if it is not nil, also where it failed.
	Do func(*Call[C]) ([]Detail, error)
	// Commands are further words below this one, which then does nothing itself.
	Commands []Command[C]
}

// A Flag is one of a Command. Without an Arg it takes no value.
type Flag struct {
	Name, Arg, Help string
	Needed          bool
}

// A Call is a Command as it was given.
type Call[C config.Config] struct {
	Config C
	State  *State
	Keys   Keys
	Args   []string // as many as the Command names
	flags  *cli.Context
}

// Flag gives the value of a flag; empty if it was not given.
func (c *Call[C]) Flag(name string) string { return c.flags.String(name) }

// Has reports whether a flag without a value was given.
func (c *Call[C]) Has(name string) bool { return c.flags.Bool(name) }

// Context ends when the command is to end.
func (c *Call[C]) Context() context.Context { return c.flags.Context }

// In and Out are what a command reads and writes itself.
func (c *Call[C]) In() io.Reader  { return c.flags.App.Reader }
func (c *Call[C]) Out() io.Writer { return c.flags.App.Writer }

// Usage makes an error of a command line that is wrong.
func Usage(format string, args ...any) error { return usagef(format, args...) }

// command describes a Command, which stands below the words before it.
func (p Program[C]) command(own Command[C], above string, output []cli.Flag) *cli.Command {
	words := above + " " + own.Name
	c := &cli.Command{
		Name:            own.Name,
		Usage:           own.Usage,
		UsageText:       strings.Join(append([]string{words}, own.Args...), " ") + " [flags]",
		HideHelpCommand: true,
		OnUsageError:    OnUsageError,
	}
	if len(own.Commands) > 0 {
		c.UsageText = words + " COMMAND [flags]"
		c.Action = noCommand
		for _, below := range own.Commands {
			c.Subcommands = append(c.Subcommands, p.command(below, words, output))
		}
		return c
	}
	for _, f := range own.Flags {
		if f.Arg == "" {
			c.Flags = append(c.Flags, &cli.BoolFlag{Name: f.Name, Usage: f.Help})
			continue
		}
		c.Flags = append(c.Flags, &cli.StringFlag{Name: f.Name, Usage: "`" + f.Arg + "`: " + f.Help})
	}
	if own.Free {
		c.Flags = slices.Concat(c.Flags, output)
	} else {
		c.Flags = slices.Concat(c.Flags, p.instanceFlags(), p.settingFlags(append([]string{}, own.Settings...)...), output)
	}
	c.Action = func(c *cli.Context) error { return p.do(c, own) }
	return c
}

// do does a Command.
func (p Program[C]) do(c *cli.Context, own Command[C]) error {
	args := c.Args().Slice()
	switch {
	case len(args) > len(own.Args):
		return usagef("unexpected argument %q; see %s", args[len(own.Args)], Help(c))
	case len(args) < len(own.Args) && own.Args[len(args)][0] != '[':
		return usagef("%s is missing; see %s", own.Args[len(args)], Help(c))
	}
	for _, f := range own.Flags {
		if f.Needed && c.String(f.Name) == "" {
			return usagef("say --%s %s; see %s", f.Name, f.Arg, Help(c))
		}
	}
	do := func(cfg C, s *State, ks Keys) error {
		facts, err := own.Do(&Call[C]{Config: cfg, State: s, Keys: ks, Args: args, flags: c})
		if facts == nil {
			return err
		}
		return errors.Join(err, outputFacts(c, facts))
	}
	switch {
	case own.Free:
		return do(p.New(), nil, Keys{})
	case own.Stateless:
		at, err := p.chosen(c)
		if err != nil {
			return err
		}
		cfg, _, err := p.settings(c, at)
		if err != nil {
			return err
		}
		return do(cfg, nil, Keys{})
	}
	return p.withInstance(c, own.Alone, do)
}

// withInstance opens an instance that must be there.
func (p Program[C]) withInstance(c *cli.Context, alone bool, use func(C, *State, Keys) error) error {
	at, err := p.chosen(c)
	if err != nil {
		return err
	}
	cfg, _, err := p.settings(c, at)
	if err != nil {
		return err
	}
	s := &State{dir: at.state}
	version, err := s.version()
	switch {
	case err != nil:
		return err
	case version == 0:
		return Invalid("there is no instance in %s; say %s init", at.state, p.Name)
	case alone || version < stateVersion: // a program that runs has converted it
		if s, _, err = OpenState(at.state, p.Upgrade); err != nil {
			return err
		}
		defer s.Close()
	}
	ks, err := s.loadKeys(p.Keys)
	if err != nil {
		return err
	}
	return use(cfg, s, ks)
}

// outputFacts writes facts as one JSON object, or line by line.
func outputFacts(c *cli.Context, facts []Detail) error {
	members := make(map[string]string, len(facts))
	for _, f := range facts {
		members[f.Name] = f.Value
	}
	return output(c, members, facts)
}

// noCommand is called where a further word is missing, or is none of ours.
func noCommand(c *cli.Context) error {
	var known []string
	for _, k := range c.Command.Subcommands {
		known = append(known, k.Name)
	}
	if word := c.Args().First(); word != "" {
		return usagef("unknown command %q%s; see %s", word, didYouMean(word, known, ""), Help(c))
	}
	return usagef("say what to do: %s; see %s", strings.Join(known, ", "), Help(c))
}

// flagsFirst puts the flags of a command line before its arguments, which is
// where the parser looks for them.
func flagsFirst(commands []*cli.Command, args []string) []string {
	var at *cli.Command
	rest := args
	var words, early []string // early are flags that stand before a further word
	for len(rest) > 0 {
		if at != nil && len(commands) > 0 && strings.HasPrefix(rest[0], "-") && !isHelp(rest[0]) {
			n := 1
			if takesValue(leaf(at), strings.TrimLeft(rest[0], "-")) {
				n = min(2, len(rest))
			}
			early, rest = append(early, rest[:n]...), rest[n:]
			continue
		}
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(rest[0]) })
		if i < 0 {
			break
		}
		at, commands = commands[i], commands[i].Subcommands
		words, rest = append(words, rest[0]), rest[1:]
	}
	if at == nil || len(at.Subcommands) > 0 {
		return args
	}
	flags := early
	var others []string
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" {
			others = append(append(others, arg), rest...)
			break
		}
		name, isFlag := strings.CutPrefix(arg, "-")
		if !isFlag || name == "" {
			others = append(others, arg)
			continue
		}
		flags = append(flags, arg)
		if len(rest) > 0 && takesValue(at, strings.TrimPrefix(name, "-")) {
			flags, rest = append(flags, rest[0]), rest[1:]
		}
	}
	return slices.Concat(words, flags, others)
}

func isHelp(arg string) bool { return arg == "--help" || arg == "-h" || arg == "-help" }

// leaf gives the first command below one that has no further words.
func leaf(c *cli.Command) *cli.Command {
	for len(c.Subcommands) > 0 {
		c = c.Subcommands[0]
	}
	return c
}

// takesValue reports whether the argument after a flag belongs to it.
func takesValue(c *cli.Command, name string) bool {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), name) {
			_, is := f.(*cli.BoolFlag)
			return !is
		}
	}
	return false
}
