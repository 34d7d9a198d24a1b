package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"nym-socks5/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg := release.Config{Repository: ".", Log: os.Stderr}
	flag.StringVar(&cfg.Revision, "rev", "HEAD", "build this `revision`; what is not committed is left out")
	flag.StringVar(&cfg.Out, "out", "dist", "write to this `folder`, which must be empty")
	targets := flag.String("targets", "", "only for these `platforms`, such as linux/amd64,windows/amd64")
	packages := flag.String("programs", "", "only these `packages`, such as ./cmd/mixnode,./cmd/gateway")
	check := flag.Bool("check", false, "build twice, and say whether both are the same; write nothing")
	sums := flag.Bool("sums", false, "only write the checksums of the folder anew")
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("release: no arguments are taken; see -help")
	}
	if *packages != "" {
		cfg.Packages = strings.Split(*packages, ",")
	}
	var err error
	if cfg.Targets, err = release.ParseTargets(*targets); err != nil {
		return err
	}
	switch {
	case *sums:
		return release.WriteSums(cfg.Out)
	case *check:
		return release.Check(ctx, cfg)
	}
	return release.Make(ctx, cfg)
}
