package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/keys"
)

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
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(log)
	url := flags.String("directory", "http://127.0.0.1:8000", "`URL` of the network's directory")
	key := flags.String("directory-key", "", "`KEY` that signs what the directory says; without it, whoever controls the way to the directory chooses your nodes")
	state := flags.String("state", "chat-state", "`FOLDER` of keys, contacts, conversations and files")
	name := flags.String("name", "", "what others call you; needed the first time")
	listen := flags.String("listen", "127.0.0.1:0", "`ADDRESS` of the page, on this machine")
	inTerminal := flags.Bool("terminal", false, "talk in this terminal, without a page")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("chat: %q is no flag; see -help", flags.Arg(0))
	}
	if !loopback(*listen) {
		return fmt.Errorf("chat: -listen %s: the page is for this machine only, as 127.0.0.1:8080", *listen)
	}
	directories := directory.ClientConfig{URLs: []string{*url}, Fetch: dirhttp.New(nil).Fetch}
	if *key != "" {
		var err error
		if directories.Key, err = keys.ParseIdentityText(*key); err != nil {
			return fmt.Errorf("chat: -directory-key: %w", err)
		}
	}

	if err := os.MkdirAll(*state, 0o700); err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	b, err := openBook(filepath.Join(*state, "book.db")) // and nobody else uses the folder
	if err != nil {
		return err
	}
	defer b.db.Close()
	if *name == "" && b.self("name") == nil {
		return errors.New("chat: say by -name what others should call you")
	}
	warn := zerolog.New(log).Level(zerolog.WarnLevel)
	directories.Log = warn
	return join(ctx, directories, endpoint.NewFolder(*state), warn, func(ctx context.Context, e *endpoint.Endpoint) error {
		p, err := newPerson(e.Messenger(), b, filepath.Join(*state, "files"), *name)
		if err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return p.run(ctx) })
		g.Go(func() error {
			if *inTerminal {
				if err := newTerminal(p, out).run(ctx, in); err != nil {
					return err
				}
				return errQuit // which ends the person, too
			}
			ln, err := net.Listen("tcp", *listen)
			if err != nil {
				return fmt.Errorf("chat: %w", err)
			}
			page := newPage(p)
			fmt.Fprintln(out, "open", page.url(ln))
			return page.run(ctx, ln)
		})
		if err := g.Wait(); !errors.Is(err, errQuit) {
			return err
		}
		return nil
	})
}

// errQuit ends the program when the user has typed so.
var errQuit = errors.New("chat: quit")

// join runs an endpoint for messages while do does.
func join(ctx context.Context, directories directory.ClientConfig, store endpoint.Store, log zerolog.Logger, do func(context.Context, *endpoint.Endpoint) error) error {
	network, err := endpoint.Directories(directories, store)
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
