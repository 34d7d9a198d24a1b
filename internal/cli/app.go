package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"nym-socks5/config"
)

// app describes the command line.
func (p Program[C]) app() *cli.App {
	command := func(name, usage string, action cli.ActionFunc, flags ...cli.Flag) *cli.Command {
		c := &cli.Command{
			Name:            name,
			Usage:           usage,
			UsageText:       p.Name + " " + name + " [flags]",
			Flags:           flags,
			HideHelpCommand: true,
			OnUsageError:    OnUsageError,
			Action: func(c *cli.Context) error {
				if err := NoArguments(c); err != nil {
					return err
				}
				return action(c)
			},
		}
		return c
	}
	instance := func() []cli.Flag { return slices.Concat(p.instanceFlags(), p.joinFlags(), p.settingFlags()) }
	first := command("init", "write settings and keys of a new instance", p.initInstance, instance()...)
	if config.CanJoin(p.New()) {
		first.UsageText += " [LINK]"
		first.Action = p.initInstance // it takes an argument
	}
	a := &cli.App{
		Name:                      p.Name,
		HelpName:                  p.Name,
		Usage:                     p.Usage,
		UsageText:                 p.Name + " COMMAND [flags]",
		Description:               strings.TrimSpace(p.About) + "\n\n" + p.files(),
		Version:                   BuildInfo().Version,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		OnUsageError:              OnUsageError,
		ExitErrHandler:            func(*cli.Context, error) {}, // Main decides
		Action:                    func(c *cli.Context) error { return NoCommand(c, p.Name+" run") },
		Commands: []*cli.Command{
			first,
			command("run", "run until TERM or INT; without an instance, init first", p.run, instance()...),
			command("check-config", "say whether run would accept the settings", p.checkConfig, instance()...),
		},
	}
	output := outputFlag()
	if !slices.ContainsFunc(p.Commands, func(own Command[C]) bool { return own.Name == "status" }) {
		a.Commands = append(a.Commands, command("status", "tell how the program that runs fares", p.status, append(p.instanceFlags(), output)...))
	}
	if p.Details != nil {
		d := command("details", "print what others need to know of this instance", p.details, append(instance(), output)...)
		d.Aliases = []string{"node-details"}
		a.Commands = append(a.Commands, d)
	}
	if names := p.renewableKeys(); len(names) > 0 {
		renew := command("renew-key", "draw a new key in place of one, while the program does not run", p.renewKey, p.instanceFlags()...)
		renew.UsageText = p.Name + " renew-key [flags] " + strings.Join(names, "|")
		renew.Action = p.renewKey // it takes an argument
		a.Commands = append(a.Commands, renew)
	}
	for _, own := range p.Commands {
		a.Commands = append(a.Commands, p.command(own, p.Name, []cli.Flag{output}))
	}
	a.Commands = append(a.Commands, Common(p.Name)...)
	return a
}

// files explains the order of settings and where they are.
func (p Program[C]) files() string {
	return fmt.Sprintf(`Each setting comes from its flag, else from its environment variable (that of
--log-level is %s), else from the instance's file, else from its
default. An instance (--id) is a file with settings and a folder with keys and
state:

    %s
    %s

TERM and INT end the program in order, a second one at once. HUP has it read
again the files that its settings name. The exit code is 0 after an orderly end,
1 after a failure, 2 if the command line is wrong, 75 if it makes sense to try
again later, and 78 if the settings are wrong.`,
		p.variable("log-level"), p.place("ID").shownConfig(), p.place("ID").shownState())
}
