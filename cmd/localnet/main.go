package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

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
	if err := app().RunContext(ctx, flagsFirst(os.Args)); err != nil {
		fmt.Fprintln(os.Stderr, "localnet:", message(err))
		os.Exit(common.ExitCode(err))
	}
}
