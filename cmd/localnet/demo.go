package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"nym-socks5/allowlist"
	"nym-socks5/internal/socksclient"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/topology"
)

// demo is "localnet demo".
func demo(c *cli.Context) error {
	o, err := parseOptions(c)
	if err != nil {
		return err
	}
	total, timeout := c.Int64("bytes"), c.Duration("timeout")
	switch {
	case total < 1 || total > maxBytes:
		return usagef("--bytes %d: say a number from 1 to %d", total, maxBytes)
	case timeout <= 0:
		return usagef("--timeout %v: say a time above zero, such as 5m", timeout)
	}
	limited, cancel := context.WithTimeoutCause(c.Context, timeout, fmt.Errorf("the demo took longer than %v; --timeout gives it more time", timeout))
	defer cancel()
	d := &demonstration{
		options:  o,
		bytes:    total,
		noCurl:   c.Bool("no-curl"),
		keep:     c.Bool("keep"),
		out:      c.App.Writer,
		progress: newProgress(c.App.Writer),
	}
	return d.run(c.Context, limited)
}

// A demonstration shows a network at work.
type demonstration struct {
	options
	bytes    int64
	noCurl   bool
	keep     bool
	out      io.Writer
	progress progress

	target *target
	list   *allowlist.List
	agent  agent
	socks  string
}

// run runs target and network until the show is over, which is to be within
// limited; if the network is to be kept, until ctx ends.
func (d *demonstration) run(ctx, limited context.Context) (err error) {
	began := time.Now()
	if d.target, err = newTarget(limited, d.bytes); err != nil {
		return err
	}
	// Rules that name these two addresses of this machine, and no other.
	d.list, err = allowlist.ParseFlags([]string{
		"allow " + d.target.addr().String(),
		"allow " + d.target.closedAddr().String(),
	})
	if err != nil {
		return err
	}
	d.spec.Lookup = d.target.lookup

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		return d.target.run(ctx)
	})
	g.Go(func() error {
		defer stop()
		over := false
		err := withNetwork(ctx, d.spec, d.list, func(ctx context.Context, n *localnet.Network) error {
			shown, cancel := withDeadlineOf(ctx, limited)
			defer cancel()
			if err := d.show(shown, n, began); err != nil {
				return err
			}
			over = true
			if d.keep {
				fmt.Fprintf(d.out, "\nThe network goes on until you stop it:\n\n  curl --socks5-hostname %s --output /dev/null %s\n\n", d.socks, d.target.byName())
				<-ctx.Done()
			}
			return nil
		})
		if !over && (err == nil || errors.Is(err, context.Canceled)) {
			return errors.New("interrupted before the demo was over")
		}
		return err
	})
	return g.Wait()
}

// withDeadlineOf gives a context that ends with either, with the cause of limited.
func withDeadlineOf(ctx, limited context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(limited, func() { cancel(context.Cause(limited)) })
	return ctx, func() { stop(); cancel(nil) }
}

// show is the demo itself.
func (d *demonstration) show(ctx context.Context, n *localnet.Network, began time.Time) error {
	fmt.Fprintf(d.out, "A mixnet on this machine, up after %s: ", seconds(time.Since(began)))
	describe(d.out, n, d.options, d.list)
	d.socks = n.SOCKSAddr().String()
	var about string
	d.agent, about = newAgent(d.socks, d.noCurl)
	fmt.Fprintf(d.out, "  %-12s http://%v, for the requester also %s\n", "web server", d.target.addr(), targetName)
	fmt.Fprintf(d.out, "\nBytes through SOCKS port, client, gateway, three mixes, gateway, requester, by %s:\n\n", about)
	for _, t := range d.transfers() {
		if err := d.transfer(ctx, t); err != nil {
			return causeOf(ctx, fmt.Errorf("%s: %w", t.label, err))
		}
	}
	fmt.Fprintf(d.out, "\nWhat must fail, and does:\n\n")
	for _, r := range d.refusals() {
		if err := d.refusal(ctx, r); err != nil {
			return causeOf(ctx, fmt.Errorf("%s: %w", r.label, err))
		}
	}
	fmt.Fprintf(d.out, "\nPackets that each node took a layer off, cover and SURB-ACKs included:\n\n")
	return d.mixed(n.Nodes())
}

// causeOf is why ctx ended or, if it has not, err.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// A transfer is one thing sent through the network.
type transfer struct {
	label  string
	via    socksclient.Version
	url    string
	upload bool
}

func (d *demonstration) transfers() []transfer {
	return []transfer{
		{"fetch, SOCKS5 by name", socksclient.V5, d.target.byName(), false},
		{"fetch, SOCKS4a by name", socksclient.V4a, d.target.byName(), false},
		{"fetch, SOCKS4 by address", socksclient.V4, d.target.byAddr(), false},
		{"send, SOCKS5 by name", socksclient.V5, d.target.byName(), true},
	}
}

// transfer carries one out, compares hashes and prints a line.
func (d *demonstration) transfer(ctx context.Context, t transfer) error {
	in := &sink{hash: sha256.New()}
	var body []byte
	done := in.n.Load
	if t.upload {
		body = make([]byte, d.bytes)
		rand.Read(body)
		before := d.target.uploaded.Load()
		done = func() int64 { return d.target.uploaded.Load() - before }
	}
	began := time.Now()
	err := d.progress.during(t.label, d.bytes, done, func() error {
		if t.upload {
			return d.agent.put(ctx, t.via, t.url, body, in)
		}
		return d.agent.get(ctx, t.via, t.url, in)
	})
	took := time.Since(began)
	if err != nil {
		return err
	}
	got, want, first := in.sum(), sum(d.target.body), "first byte after "+seconds(in.first.Sub(began))
	if t.upload {
		got, want, first = in.head.String(), sum(body), "answer after "+seconds(in.first.Sub(began))
	}
	if got != want {
		return fmt.Errorf("the bytes changed on the way: SHA-256 is %.16s…, want %.16s…", got, want)
	}
	fmt.Fprintf(d.out, "  %-26s %s in %s, %s, %s, SHA-256 %.8s… agrees\n", t.label, size(d.bytes), seconds(took), rate(d.bytes, took), first, got)
	return nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// A sink takes what an agent receives. Its count may be read meanwhile.
type sink struct {
	n     atomic.Int64
	first time.Time    // when the first byte came
	head  bytes.Buffer // the first bytes
	hash  interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (s *sink) Write(b []byte) (int, error) {
	if s.n.Load() == 0 {
		s.first = time.Now()
	}
	s.n.Add(int64(len(b)))
	s.head.Write(b[:min(len(b), 2*sha256.Size-min(s.head.Len(), 2*sha256.Size))])
	return s.hash.Write(b)
}

func (s *sink) sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// A refusal is a destination that must not be reached.
type refusal struct {
	label string
	host  string // "host:port"
	reply byte   // of SOCKS5
	means string
}

func (d *demonstration) refusals() []refusal {
	return []refusal{
		{"a closed port", d.target.closedAddr().String(), 5, "connection refused"},
		{"not on the allowlist", "elsewhere.localnet.example:80", 2, "not allowed"},
	}
}

// refusal tries to reach a destination: the reply must say why it cannot, and
// the agent must notice.
func (d *demonstration) refusal(ctx context.Context, r refusal) error {
	dialer := socksclient.Dialer{Proxy: d.socks}
	c, err := dialer.DialContext(ctx, "tcp", r.host)
	if err == nil {
		c.Close()
		return errors.New("it was reached, and must not be")
	}
	reply := new(socksclient.ReplyError)
	if !errors.As(err, &reply) {
		return err
	}
	if reply.Code != r.reply {
		return fmt.Errorf("SOCKS5 reply %d, want %d (%s)", reply.Code, r.reply, r.means)
	}
	line := fmt.Sprintf("SOCKS5 reply %d, %s", r.reply, r.means)
	err = d.agent.get(ctx, socksclient.V5, "http://"+r.host+"/", io.Discard)
	if err == nil {
		return errors.New("it was fetched, and must not be")
	}
	if failed := new(curlError); errors.As(err, &failed) {
		line += fmt.Sprintf("; curl's exit code is %d", failed.exit)
	}
	fmt.Fprintf(d.out, "  %-26s %s\n", r.label, line)
	return nil
}

// mixed prints what each node did. In each layer somebody must have done something.
func (d *demonstration) mixed(nodes []localnet.NodeInfo) error {
	perRole := make(map[topology.Role]uint64)
	for _, nd := range nodes {
		fmt.Fprintf(d.out, "  %-26s %6d", nd.Name, nd.Mixed)
		if nd.Dropped > 0 {
			fmt.Fprintf(d.out, "  (and dropped %d)", nd.Dropped)
		}
		fmt.Fprintln(d.out)
		perRole[nd.Role] += nd.Mixed
	}
	for role, mixed := range perRole {
		if mixed == 0 {
			return fmt.Errorf("no packet went through a node of role %v", role)
		}
	}
	return nil
}
