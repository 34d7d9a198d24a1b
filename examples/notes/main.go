package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
)

const usage = `usage:
  notes [flags] serve                      keep notes; prints the address
  notes [flags] put ADDRESS < FILE         prints the note's name, and its key
  notes [flags] get ADDRESS NAME           prints the note
  notes [flags] delete ADDRESS KEY

flags:`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out, log io.Writer) error {
	flags := flag.NewFlagSet("notes", flag.ContinueOnError)
	flags.SetOutput(log)
	url := flags.String("directory", "http://127.0.0.1:8000", "`URL` of the network's directory")
	state := flags.String("state", "notes-state", "`FOLDER` of the service: its keys, so that it keeps its address, and the notes")
	plain := flags.Bool("plain", false, "say who asks: the answer comes to our address instead of by reply SURBs")
	days := flags.Int("days", someDays, "`DAYS` until the note is forgotten, for put")
	patience := flags.Duration("timeout", 2*time.Minute, "how long to wait for an answer")
	flags.Usage = func() { fmt.Fprintln(log, usage); flags.PrintDefaults() }
	if err := flags.Parse(args); err != nil {
		return err
	}
	command, rest := flags.Arg(0), flags.Args()
	if want := map[string]int{"serve": 1, "put": 2, "get": 3, "delete": 3}[command]; want != len(rest) || want == 0 {
		flags.Usage()
		return errors.New("notes: say what to do")
	}
	warn := zerolog.New(log).Level(zerolog.WarnLevel)
	if command == "serve" {
		if err := os.MkdirAll(*state, 0o700); err != nil {
			return fmt.Errorf("notes: %w", err)
		}
		store, err := openStore(filepath.Join(*state, "notes.db"), defaultLimits.store)
		if err != nil {
			return err
		}
		defer store.close()
		return join(ctx, *url, endpoint.NewFolder(*state), warn, func(ctx context.Context, e *endpoint.Endpoint) error {
			fmt.Fprintln(out, "notes are kept at", e.Address())
			return newService(e.Messenger(), store, defaultLimits, warn).run(ctx)
		})
	}

	to, err := mixnet.ParseRecipientText(rest[1])
	if err != nil {
		return fmt.Errorf("notes: the service's address: %w", err)
	}
	r, err := makeRequest(command, rest[2:], *days, in)
	if err != nil {
		return err
	}
	// Who asks is somebody new each time.
	return join(ctx, *url, endpoint.NewMemoryStore(), warn, func(ctx context.Context, e *endpoint.Endpoint) error {
		ctx, cancel := context.WithTimeout(ctx, *patience)
		defer cancel()
		c := client{m: e.Messenger(), service: to, plain: *plain, again: 20 * time.Second}
		a, err := c.ask(ctx, r)
		if err != nil {
			return err
		}
		switch r.Op {
		case "put":
			name, _ := a.Name.MarshalText()
			key, _ := r.ID.MarshalText()
			fmt.Fprintf(out, "name %s\nkey %s\nuntil %s\n", name, key, time.Unix(a.Until, 0).Format(time.DateTime))
		case "get":
			fmt.Fprint(out, a.Text)
		}
		return nil
	})
}

// makeRequest makes the request of a command, and refuses what the service would.
func makeRequest(command string, args []string, days int, in io.Reader) (request, error) {
	r := request{Notes: 1, ID: newID(), Op: command}
	switch command {
	case "put":
		text, err := io.ReadAll(io.LimitReader(in, maxText+1))
		if err != nil {
			return request{}, fmt.Errorf("notes: read the note: %w", err)
		}
		if len(text) == 0 || len(text) > maxText {
			return request{}, fmt.Errorf("notes: a note has 1 to %d bytes", maxText)
		}
		if !utf8.Valid(text) {
			return request{}, errors.New("notes: a note is UTF-8; encode other bytes, as with base64")
		}
		r.Text, r.Days = string(text), days
	case "get":
		if err := r.Name.UnmarshalText([]byte(args[0])); err != nil {
			return request{}, fmt.Errorf("notes: name: %w", err)
		}
	case "delete":
		if err := r.Key.UnmarshalText([]byte(args[0])); err != nil {
			return request{}, fmt.Errorf("notes: key: %w", err)
		}
	}
	return r, nil
}

// join runs an endpoint for messages while do does.
func join(ctx context.Context, url string, store endpoint.Store, log zerolog.Logger, do func(context.Context, *endpoint.Endpoint) error) error {
	network, err := endpoint.Directories(directory.ClientConfig{URLs: []string{url}, Fetch: dirhttp.New(nil).Fetch, Log: log}, store)
	if err != nil {
		return err
	}
	e, err := endpoint.New(endpoint.Config{Network: network, Store: store, Messages: true, Log: log})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.Run(ctx) })
	g.Go(func() error {
		defer stop() // when do is done, so is the endpoint
		select {
		case <-e.Ready():
			return do(ctx, e)
		case <-ctx.Done():
			return nil
		}
	})
	return g.Wait()
}
