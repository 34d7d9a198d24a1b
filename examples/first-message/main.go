package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wsapi"
)

// patience is how long one run of a script may take.
const patience = time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "first-message:", err)
		os.Exit(1)
	}
}

// run runs the network and the scripts, then ends.
func run(ctx context.Context, w io.Writer) error {
	scripts, err := findScripts("first_message.py", "first-message.js")
	if err != nil {
		return err
	}
	natives, err := findScripts("native_client.py", "native-client.js")
	if err != nil {
		return err
	}
	network, err := localnet.New(localnet.Spec{})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return network.Run(ctx) })
	g.Go(func() error {
		defer stop()
		select {
		case <-network.Ready():
		case <-ctx.Done():
			return ctx.Err()
		}
		gateways := network.Topology().Gateways()
		alice, bob := newPerson(network, gateways[0].Identity), newPerson(network, gateways[1].Identity)
		for _, s := range natives {
			err := alice.online(ctx, func(ctx context.Context, url string, here *client.Client) error {
				return s.run(ctx, w, []string{url}, append(steps, "my address: "+here.Address().String())...)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		for i, s := range scripts {
			if err := converse(ctx, w, alice, bob, s, scripts[(i+1)%len(scripts)]); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	return g.Wait()
}

// A script is the command line that runs one.
type script []string

// String names the script.
func (s script) String() string { return filepath.Base(s[1]) }

// steps are what the scripts for Nym's native client say when they work.
var steps = []string{"ok: text", "ok: text with reply SURBs", "ok: reply", "ok: file", "ok: file with reply SURBs", "ok: reply in binary"}

// findScripts looks for two scripts and for what runs them.
func findScripts(python, javaScript string) ([]script, error) {
	const folder = "examples/first-message/"
	scripts := []script{{"python3", folder + python}, {"node", folder + javaScript}}
	for _, s := range scripts {
		if _, err := exec.LookPath(s[0]); err != nil {
			return nil, fmt.Errorf("%s needs %s, which is not installed", s[1], s[0])
		}
		if _, err := os.Stat(s[1]); err != nil {
			return nil, fmt.Errorf("%w: run this in the root of the repository", err)
		}
	}
	return scripts, nil
}

// run runs the script to its end and wants it to print some lines, among others.
func (s script) run(ctx context.Context, w io.Writer, args []string, want ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, s[0], append(s[1:len(s):len(s)], args...)...)
	// "make interop" has the package ws, which Node.js 20 needs.
	cmd.Env = append(os.Environ(), "NODE_PATH=interop/node_modules")
	var failure strings.Builder
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%v: %w: %s", args[1:], err, strings.TrimSpace(failure.String()))
	}
	if _, err := fmt.Fprintf(w, "$ %v %s\n%s", s, strings.Join(args[1:], " "), out); err != nil {
		return err
	}
	for _, line := range want {
		if !strings.Contains("\n"+string(out), "\n"+line+"\n") {
			return fmt.Errorf("%v: printed %q, want a line %q", args[1:], out, line)
		}
	}
	return nil
}

// A person has a client of the network, which need not run all the time.
type person struct {
	network *localnet.Network
	cfg     client.Config
}

func newPerson(n *localnet.Network, gateway keys.Identity) *person {
	return &person{n, client.Config{
		Entries:    []client.Entry{{Gateway: gateway, Identity: keys.NewIdentityKey()}},
		Encryption: keys.NewEncryptionKey(), Ack: keys.NewAck(), Store: client.NewMemoryStore(),
	}}
}

// online runs the person's client, with its WebSocket at url, while do runs.
func (p *person) online(ctx context.Context, do func(ctx context.Context, url string, c *client.Client) error) error {
	c, err := p.network.NewClient(p.cfg)
	if err != nil {
		return err
	}
	api, err := wsapi.New(wsapi.Config{Messenger: c})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.Run(ctx) })
	g.Go(func() error {
		err := api.Run(ctx, ln)
		if ctx.Err() != nil { // the client and what stands on it end at once
			return nil
		}
		return err
	})
	g.Go(func() error {
		defer stop()
		select {
		case <-c.Ready():
			return do(ctx, "ws://"+ln.Addr().String(), c)
		case <-ctx.Done():
			return errors.New("the client ended before it was connected")
		}
	})
	return g.Wait()
}

// delivered waits until all that a client was given to send is acknowledged: at
// the gateway, if the recipient is not there.
func delivered(ctx context.Context, c *client.Client) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for c.LaneLen(0) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// converse has alice use one script and bob the other.
func converse(ctx context.Context, w io.Writer, alice, bob *person, a, b script) error {
	const hello, question, away = "hello, bob", "who are you?", "while you were away"
	return alice.online(ctx, func(ctx context.Context, url string, here *client.Client) error {
		if err := a.run(ctx, w, []string{url, "self"}, "my address: "+here.Address().String(), "received: hello, myself"); err != nil {
			return err
		}
		var to string
		err := bob.online(ctx, func(ctx context.Context, there string, c *client.Client) error {
			to = c.Address().String()
			if err := a.run(ctx, w, []string{url, "send", to, hello}, "sent: "+hello); err != nil {
				return err
			}
			if err := b.run(ctx, w, []string{there, "listen", "1"}, "my address: "+to, "received: "+hello); err != nil {
				return err
			}
			g, ctx := errgroup.WithContext(ctx)
			g.Go(func() error { return b.run(ctx, w, []string{there, "listen", "1"}, "received: "+question) })
			g.Go(func() error {
				return a.run(ctx, w, []string{url, "ask", to, question}, "received: an answer to: "+question)
			})
			return g.Wait()
		})
		if err != nil {
			return err
		}
		if err := a.run(ctx, w, []string{url, "send", to, away}, "sent: "+away); err != nil {
			return err
		}
		if err := delivered(ctx, here); err != nil {
			return err
		}
		return bob.online(ctx, func(ctx context.Context, there string, _ *client.Client) error {
			return b.run(ctx, w, []string{there, "listen", "1"}, "received: "+away)
		})
	})
}
