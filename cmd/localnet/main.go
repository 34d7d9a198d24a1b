package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	common "nym-socks5/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := common.NoCoreDumps(); err != nil {
		fmt.Fprintln(os.Stderr, "localnet: core dumps cannot be switched off:", err)
		os.Exit(1)
	}
	if err := app().RunContext(ctx, os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "localnet:", message(err))
		os.Exit(exitCode(err))
	}
}

func app() *cli.App {
	return &cli.App{
		Name:                      "localnet",
		Usage:                     "a whole mixnet in one process, on this machine",
		UsageText:                 "localnet run --allow RULE | --allowlist FILE [flags]\nlocalnet demo [flags]",
		HideHelpCommand:           true,
		OnUsageError:              onUsageError,
		DisableSliceFlagSeparator: true,                         // commas stand between the ports of a rule
		ExitErrHandler:            func(*cli.Context, error) {}, // main decides
		Action:                    noCommand,
		Commands: []*cli.Command{{
			Name:            "run",
			Usage:           "run a network until TERM or INT",
			UsageText:       "localnet run --allow RULE | --allowlist FILE [flags]",
			HideHelpCommand: true,
			OnUsageError:    onUsageError,
			Action:          run,
			Flags: append(networkFlags("127.0.0.1:1080", "info"),
				&cli.StringSliceFlag{Name: "allow", Usage: "let the requester dial `RULE`, such as example.org:443 (may be repeated)"},
				&cli.StringFlag{Name: "allowlist", Usage: "let the requester dial what `FILE` allows, one rule a line"},
			),
		}, {
			Name:            "demo",
			Usage:           "run a network, fetch and send data through it, and stop",
			UsageText:       "localnet demo [flags]",
			HideHelpCommand: true,
			OnUsageError:    onUsageError,
			Action:          demo,
			Flags: append(networkFlags("127.0.0.1:0", "error"),
				&cli.Int64Flag{Name: "bytes", Value: 1_000_000, Usage: "transfer `N` bytes each way"},
				&cli.DurationFlag{Name: "timeout", Value: 5 * time.Minute, Usage: "give up after `TIME`"},
				&cli.BoolFlag{Name: "no-curl", Usage: "use the built-in SOCKS client even where there is a curl"},
				&cli.BoolFlag{Name: "keep", Usage: "leave the network running at the end, until TERM or INT"},
			),
		}},
	}
}

// networkFlags are those that both commands have.
func networkFlags(socks, level string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "profile", Value: "nym", Usage: "`nym`: delays, pacing and cover as in Nym; fast: none of it, hides nothing"},
		&cli.IntFlag{Name: "mixes-per-layer", Value: 2, Usage: "`N` mix nodes in each of the three layers"},
		&cli.StringFlag{Name: "socks", Value: socks, Usage: "`ADDR` of the SOCKS port"},
		&cli.StringFlag{Name: "directory", Usage: "list the network at `ADDR` over HTTP, for clients that Nym publishes"},
		&cli.BoolFlag{Name: "beyond-loopback", Usage: "let --socks and --directory be addresses that other machines reach"},
		&cli.StringFlag{Name: "log-level", Value: level, Usage: "`LEVEL` is debug, info, warn, error or off"},
	}
}
