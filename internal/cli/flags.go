package cli

import (
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"nym-socks5/config"
)

// Flags that choose an instance.
const (
	flagID     = "id"
	flagConfig = "config"
	flagState  = "state-dir"
)

func (p Program[C]) instanceFlags() []cli.Flag {
	place := p.place("ID")
	return []cli.Flag{
		&cli.StringFlag{Name: flagID, Value: "default", EnvVars: []string{p.variable(flagID)}, Category: "instance",
			Usage: "`ID`: name of the instance"},
		&cli.StringFlag{Name: flagConfig, EnvVars: []string{p.variable(flagConfig)}, Category: "instance",
			DefaultText: place.shownConfig(), Usage: "`FILE` with the settings"},
		&cli.StringFlag{Name: flagState, EnvVars: []string{p.variable(flagState)}, Category: "instance",
			DefaultText: place.shownState(), Usage: "`DIR`: folder of keys and state"},
	}
}

// settingFlags has a flag for every setting. If some are named, help shows no
// others.
func (p Program[C]) settingFlags(shown ...string) (flags []cli.Flag) {
	for _, s := range config.Settings(p.New()) {
		hidden := shown != nil && !slices.Contains(shown, s.Key())
		env := []string{p.variable(s.Flag)}
		usage := "`" + s.Arg + "`: " + s.Help
		switch {
		case s.IsBool():
			flags = append(flags, &cli.BoolFlag{Name: s.Flag, Usage: s.Help, EnvVars: env, Category: s.Section, Value: s.String() == "true", Hidden: hidden})
		case s.IsList():
			flags = append(flags, &cli.StringSliceFlag{Name: s.Flag, Usage: usage, EnvVars: env, Category: s.Section, Hidden: hidden})
		default:
			flags = append(flags, &cli.StringFlag{Name: s.Flag, Usage: usage, EnvVars: env, Category: s.Section, DefaultText: s.String(), Hidden: hidden})
		}
	}
	return flags
}

// override puts the flags and variables of a command line over the settings.
func override(c *cli.Context, into config.Config) error {
	for _, s := range config.Settings(into) {
		if !c.IsSet(s.Flag) {
			continue
		}
		var err error
		switch {
		case s.IsBool():
			err = s.Set(strconv.FormatBool(c.Bool(s.Flag)))
		case s.IsList():
			err = s.Set(c.StringSlice(s.Flag)...)
		default:
			err = s.Set(c.String(s.Flag))
		}
		if err != nil {
			return usagef("--%s: %s; see %s", s.Flag, message("", err), Help(c))
		}
	}
	return nil
}
