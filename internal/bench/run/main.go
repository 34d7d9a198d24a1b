package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"nym-socks5/internal/bench"
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
	choice := flag.String("run", ".", "measure only figures whose name matches this `regexp`")
	out := flag.String("json", "", "write the rows to this `file` too")
	page := flag.String("md", "", "write them, and what they were measured on, to this `file` as a page")
	child := flag.String("child", "", "for the program itself: run a part that is measured as a process of its own")
	flag.Parse()
	if *child != "" {
		return bench.Child(ctx, *child, os.Stdin, os.Stdout)
	}
	if flag.NArg() > 0 {
		return errors.New("bench: no arguments are taken; see -help")
	}
	cfg := bench.Config{Progress: os.Stderr, Child: func(mode string) ([]string, error) {
		exe, err := os.Executable()
		return []string{exe, "-child", mode}, err
	}}
	var err error
	if cfg.Select, err = regexp.Compile(*choice); err != nil {
		return err
	}
	rows, err := bench.Run(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	if err := bench.WriteTable(os.Stdout, rows); err != nil {
		return err
	}
	if err := create(*out, func(w io.Writer) error { return bench.WriteJSON(w, rows) }); err != nil {
		return err
	}
	return create(*page, func(w io.Writer) error { return bench.WriteMarkdown(w, rows, bench.ThisMachine()) })
}

// create writes a file, if it has a name.
func create(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
