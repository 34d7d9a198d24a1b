package main

import (
	"slices"
	"time"

	common "nym-socks5/internal/cli"

	"github.com/urfave/cli/v2"
)

// app describes the command line.
func app() *cli.App {
	a := &cli.App{
		Name:                      "localnet",
		Usage:                     "a whole mixnet on this machine",
		Version:                   common.BuildInfo().Version,
		UsageText:                 "localnet COMMAND [flags]",
		HideHelpCommand:           true,
		OnUsageError:              common.OnUsageError,
		DisableSliceFlagSeparator: true,                         // commas stand between the ports of a rule
		ExitErrHandler:            func(*cli.Context, error) {}, // main decides
		Action:                    noCommand,
		Commands: []*cli.Command{{
			Name:            "run",
			Usage:           "run a network until TERM or INT",
			UsageText:       "localnet run --allow RULE | --allowlist FILE [flags]",
			HideHelpCommand: true,
			OnUsageError:    common.OnUsageError,
			Action:          run,
			Flags: append(slices.Concat(networkFlags("127.0.0.1:1080", "info"), ruleFlags()),
				&cli.BoolFlag{Name: "processes", Usage: "run each part as a process of its own"},
				&cli.StringFlag{Name: "client", Usage: "run nym-client too, with its WebSocket at `ADDR`; for --processes"},
				&cli.StringFlag{Name: "dir", Usage: "keep settings, keys and logs of the processes in `DIR`, and use again what is there"},
				programsFlag(),
			),
		}, {
			Name:            "demo",
			Usage:           "run a network, fetch and send data through it, and stop",
			UsageText:       "localnet demo [flags]",
			HideHelpCommand: true,
			OnUsageError:    common.OnUsageError,
			Action:          demo,
			Flags: append(networkFlags("127.0.0.1:0", "error"),
				&cli.Int64Flag{Name: "bytes", Value: 1_000_000, Usage: "transfer `N` bytes each way"},
				&cli.DurationFlag{Name: "timeout", Value: 5 * time.Minute, Usage: "give up after `TIME`"},
				&cli.BoolFlag{Name: "no-curl", Usage: "use the built-in SOCKS client even where there is a curl"},
				&cli.BoolFlag{Name: "keep", Usage: "leave the network running at the end, until TERM or INT"},
			),
		}, traceCommand(), {
			Name:            "list",
			Usage:           "show the parts of a network of processes that runs",
			UsageText:       "localnet list [--dir DIR]",
			HideHelpCommand: true,
			OnUsageError:    common.OnUsageError,
			Action:          list,
			Flags: []cli.Flag{
				dirFlag(),
				&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "text", Usage: "`FORMAT`: text or json"},
			},
		},
			controlCommand("kill", "end a part of such a network at once, as a power failure would"),
			controlCommand("stop", "ask a part of such a network to end"),
			controlCommand("start", "start a part that was killed or stopped, and wait until it is up"),
			{
				Name:            "write",
				Usage:           "write settings and keys of a network on several machines",
				UsageText:       "localnet write DIR --hosts FILE --allow RULE | --allowlist FILE [flags]",
				HideHelpCommand: true,
				OnUsageError:    common.OnUsageError,
				Action:          write,
				Flags: append(ruleFlags(),
					&cli.StringFlag{Name: "hosts", Usage: "what runs where is in `FILE`"},
					&cli.BoolFlag{Name: "keep", Usage: "do nothing if the folders of all hosts are there, instead of refusing"},
					profileFlag(),
					programsFlag(),
				),
			}},
	}
	a.Commands = append(a.Commands, common.Common(a.Name)...)
	return a
}

// controlCommand is one that a part of a network is named to.
func controlCommand(name, usage string) *cli.Command {
	return &cli.Command{
		Name:            name,
		Usage:           usage,
		UsageText:       "localnet " + name + " NAME [--dir DIR]",
		HideHelpCommand: true,
		OnUsageError:    common.OnUsageError,
		Action:          control,
		Flags:           []cli.Flag{dirFlag()},
	}
}

func dirFlag() cli.Flag {
	return &cli.StringFlag{Name: "dir", Usage: "of the network in `DIR`; without it, of the one that was started last"}
}

func programsFlag() cli.Flag {
	return &cli.StringFlag{Name: "programs", Usage: "use the programs in `DIR`; without it, those beside this one or in PATH"}
}

// ruleFlags say what requesters may dial.
func ruleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "allow", Usage: "let the requester dial `RULE`, such as example.org:443 (may be repeated)"},
		&cli.StringFlag{Name: "allowlist", Usage: "let the requester dial what `FILE` allows, one rule a line"},
	}
}

func profileFlag() cli.Flag {
	return &cli.StringFlag{Name: "profile", Value: "nym", Usage: "`nym`: delays, pacing and cover as in Nym; fast: none of it, hides nothing"}
}

// networkFlags are those that both commands have.
func networkFlags(socks, level string) []cli.Flag {
	return []cli.Flag{
		profileFlag(),
		&cli.IntFlag{Name: "mixes-per-layer", Value: 2, Usage: "`N` mix nodes in each of the three layers"},
		&cli.StringFlag{Name: "socks", Value: socks, Usage: "`ADDR` of the SOCKS port"},
		&cli.StringFlag{Name: "directory", Usage: "list the network at `ADDR` over HTTP, for clients that Nym publishes"},
		&cli.BoolFlag{Name: "beyond-loopback", Usage: "let --socks and --directory be addresses that other machines reach"},
		&cli.StringFlag{Name: "log-level", Value: level, Usage: "`LEVEL` is debug, info, warn, error or off"},
	}
}
