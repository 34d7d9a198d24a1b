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
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/endpoint"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
)

const usage = `usage:
  backend [flags] serve FILE           run the API, with its votes in FILE
  backend [flags] vote REQUESTER OPTION
  backend [flags] result REQUESTER

REQUESTER is the address of the network requester beside the API.

flags:`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("backend", flag.ContinueOnError)
	flags.SetOutput(log)
	listen := flags.String("listen", "127.0.0.1:8090", "`ADDRESS` of the API, for serve; only the requester needs to reach it")
	base := flags.String("api", "http://127.0.0.1:8090", "`URL` of the API as the requester reaches it")
	url := flags.String("directory", "http://127.0.0.1:8000", "`URL` of the network's directory")
	patience := flags.Duration("timeout", 2*time.Minute, "how long to wait for an answer")
	flags.Usage = func() { fmt.Fprintln(log, usage); flags.PrintDefaults() }
	if err := flags.Parse(args); err != nil {
		return err
	}
	command, rest := flags.Arg(0), flags.Args()
	if want := map[string]int{"serve": 2, "vote": 3, "result": 2}[command]; want != len(rest) || want == 0 {
		flags.Usage()
		return errors.New("backend: say what to do")
	}
	if command == "serve" {
		a, err := openAPI(rest[1])
		if err != nil {
			return err
		}
		defer a.db.Close()
		ln, err := net.Listen("tcp", *listen)
		if err != nil {
			return fmt.Errorf("backend: %w", err)
		}
		fmt.Fprintf(out, "the API is at http://%s\n", ln.Addr())
		return a.serve(ctx, ln)
	}

	requester, err := mixnet.ParseRecipientText(rest[1])
	if err != nil {
		return fmt.Errorf("backend: the requester's address: %w", err)
	}
	return join(ctx, *url, requester, zerolog.New(log).Level(zerolog.WarnLevel), func(ctx context.Context, e *endpoint.Endpoint) error {
		ctx, cancel := context.WithTimeout(ctx, *patience)
		defer cancel()
		c := newClient(e, *base)
		if command == "vote" {
			if err := c.vote(ctx, rest[2]); err != nil {
				return err
			}
			fmt.Fprintln(out, "your vote counts")
		}
		r, err := c.result(ctx)
		if err != nil {
			return err
		}
		for _, o := range options {
			fmt.Fprintf(out, "%6d  %s\n", r.Votes[o], o)
		}
		return nil
	})
}

// join runs an endpoint whose streams leave by a requester, while do does. It is
// somebody new each time.
func join(ctx context.Context, url string, requester mixnet.Recipient, log zerolog.Logger, do func(context.Context, *endpoint.Endpoint) error) error {
	network, err := endpoint.Directories(directory.ClientConfig{URLs: []string{url}, Fetch: dirhttp.New(nil).Fetch, Log: log}, nil)
	if err != nil {
		return err
	}
	e, err := endpoint.New(endpoint.Config{Network: network, Requesters: []mixnet.Recipient{requester}, Log: log})
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
