package assembly

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy"
)

// A Doctor walks the way that streams go, step by step, and says at which one it ends,
// why, and what to do. It walks as a user of its own, with keys that it draws and
// forgets: the program itself may run beside it, and nobody can tell that it is asked
// for that program.
//
//	directory ─▶ topology ─▶ gateway ─▶ loops ─▶ requester ─▶ stream
type Doctor struct {
	Client     config.Client
	Network    config.Network
	Requesters config.Requesters
	// Egress is set for a program that is a requester itself: there is none to ask.
	Egress bool
	// Gateway is the one that the program enters by; zero: any.
	Gateway keys.Identity
	// Target is where a stream is opened to; empty: a service of the requester's own.
	Target string
	// Patience is how many times longer than usual each step may take; zero: 1.
	Patience int
	// Tell is told of each step as it is done.
	Tell func(step, result string)
}

// A walk is one examination.
type walk struct {
	Doctor
	src    *Source
	end    *endpoint.Endpoint
	ended  chan error   // of the endpoint
	failed atomic.Value // error of the last look at the directories
}

// An Ailment is what a Doctor found: which step failed, why, and what may help.
type Ailment struct{ Step, Cause, Remedy string }

func (a *Ailment) Error() string { return a.Step + ": " + a.Cause + "; " + a.Remedy }

// Run examines. It returns an [*Ailment] if something is wrong.
func (d Doctor) Run(ctx context.Context) error {
	w := &walk{Doctor: d, ended: make(chan error, 1)}
	var err error
	if w.src, err = openSource(d.Network, nil, false, func(err error) { w.failed.Store(&err) }, zerolog.Nop()); err != nil {
		return err
	}
	if w.end, err = w.endpoint(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	go func() { w.ended <- w.end.Run(ctx) }()
	defer func() {
		stop()
		if w.ended != nil {
			<-w.ended
		}
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"directory", w.directory}, {"gateway", w.gateway}, {"loops", w.loops}, {"requester", w.requester}, {"stream", w.stream},
	} {
		result, err := step.do(ctx)
		var found *Ailment
		switch {
		case errors.As(err, &found):
			found.Step = step.name
			return found
		case err != nil:
			return err
		case result != "":
			d.Tell(step.name, result)
		}
	}
	return nil
}

// endpoint makes the user that walks.
func (w *walk) endpoint() (*endpoint.Endpoint, error) {
	c := w.Client
	cover := c.CoverEvery.Std()
	if cover <= 0 {
		cover = 100 * time.Millisecond // loops are what tells
	}
	cfg := endpoint.Config{
		Network: w.src.Network, Gateway: w.Gateway, NeverStop: true,
		Traffic: client.Traffic{HopDelay: c.HopDelay.Std(), SendEvery: c.SendEvery.Std(), CoverEvery: cover, Size: c.PacketSize()},
		Log:     zerolog.Nop(),
	}
	if !w.Egress {
		var err error
		if cfg.Requesters, err = Requesters(w.Requesters); err != nil {
			return nil, err
		}
		cfg.ListedRequesters = len(cfg.Requesters) == 0
	}
	return endpoint.New(cfg)
}

// until waits for a condition, the end of the endpoint, or too long; in is false then.
func (w *walk) until(ctx context.Context, within time.Duration, done func() bool) (in bool, err error) {
	tick := time.NewTicker(lookAtStep)
	defer tick.Stop()
	late := time.NewTimer(within * time.Duration(max(1, w.Patience)))
	defer late.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-late.C:
			return false, nil
		case err := <-w.ended:
			w.ended = nil
			return false, w.endedBy(err)
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}

// endedBy explains why the endpoint gave up.
func (w *walk) endedBy(err error) error {
	switch {
	case errors.Is(err, endpoint.ErrNoRequester):
		return &Ailment{Cause: Explain(err).Error(), Remedy: "ask the network's operator for a requester, or name one with --requester"}
	case errors.Is(err, directory.ErrFork):
		return &Ailment{Cause: Explain(err).Error(), Remedy: "do not use this network before its operator has explained that"}
	case err == nil:
		return context.Canceled
	}
	return err
}

// directory waits for the nodes: what a directory says must be signed, and of today.
func (w *walk) directory(ctx context.Context) (string, error) {
	began := time.Now()
	in, err := w.until(ctx, nodesWithin, func() bool { return w.src.Current() != nil })
	if err != nil {
		return "", err
	}
	if !in {
		why, _ := w.failed.Load().(*error)
		switch {
		case why == nil:
			return "", &Ailment{Cause: "the directory answers, and a layer of mix nodes or all gateways are missing in what it says", Remedy: "some nodes are down, or have not joined yet; their operators see more with \"mixnode status\""}
		case errors.Is(*why, directory.ErrTime):
			return "", &Ailment{Cause: "the clock of this machine, or of the directory, is wrong: here it is " + time.Now().UTC().Format("2006-01-02 15:04 MST"), Remedy: "set the clock, and have it kept by NTP"}
		}
		remedy := "ask the network's operator whether the directory runs, and whether address and key are those of today"
		if asked := new(directory.AskError); errors.As(*why, &asked) && asked.Remedy != "" {
			remedy = asked.Remedy
		}
		return "", &Ailment{Cause: causeOf(*why), Remedy: remedy}
	}
	nodes := w.src.Current().Nodes()
	mixes := 0
	for _, n := range nodes {
		if n.Role.IsMix() {
			mixes++
		}
	}
	signed := "not signed: no key is pinned"
	if w.Network.Key != "" {
		signed = "signed, and of today"
	}
	if w.Network.Topology != "" {
		signed = "from a file"
	}
	return fmt.Sprintf("%d mix nodes and %d gateways, %s, after %v", mixes, len(nodes)-mixes, signed, time.Since(began).Round(time.Millisecond)), nil
}

// causeOf is an error without the remedy that stands behind it.
func causeOf(err error) string {
	if asked := new(directory.AskError); errors.As(err, &asked) {
		return (&directory.AskError{URL: asked.URL, Cause: asked.Cause}).Error()
	}
	return Explain(err).Error()
}

// gateway waits for a session.
func (w *walk) gateway(ctx context.Context) (string, error) {
	began := time.Now()
	in, err := w.until(ctx, gatewayWithin, func() bool { return w.end.Status().Entry.Connected })
	if err != nil {
		return "", err
	}
	if in {
		return fmt.Sprintf("a session with %v after %v", w.end.Status().Entry.Gateway, time.Since(began).Round(time.Millisecond)), nil
	}
	reached := 0
	var why error
	for _, n := range w.src.Current().Nodes() {
		if n.Role.IsMix() || !w.Gateway.IsZero() && n.Identity != w.Gateway {
			continue
		}
		if err := reach(ctx, n); err != nil {
			why = err
		} else {
			reached++
		}
	}
	switch {
	case reached == 0 && why == nil:
		return "", &Ailment{Cause: fmt.Sprintf("gateway %v is not in the topology", w.Gateway), Remedy: "it is down, or not of this network; name another with --gateway, or none"}
	case reached == 0:
		return "", &Ailment{Cause: fmt.Sprintf("no gateway can be reached: %v", why), Remedy: "they are down, or something between here and there, such as a firewall, keeps connections out"}
	}
	return "", &Ailment{Cause: "a gateway accepts connections, and no session comes of them", Remedy: "ask its operator what its log says; the program itself says more with --log-level debug"}
}

// reach connects to the port of a gateway's clients and closes.
func reach(ctx context.Context, n topology.Node) error {
	u, err := url.Parse(n.Clients)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, reachWithin)
	defer stop()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(n.Addr.AddrPort().Addr().String(), u.Port()))
	if err != nil {
		return err
	}
	return c.Close()
}

// loops waits for packets to ourselves that came home.
func (w *walk) loops(ctx context.Context) (string, error) {
	home := func() client.Tally { return w.end.Status().Loops }
	if _, err := w.until(ctx, loopsWithin, func() bool { return home().Home > 0 && home().Sent >= enoughLoops }); err != nil {
		return "", err
	}
	t := home()
	switch {
	case t.Sent == 0 && w.Client.CoverEvery == config.Off && w.Client.SendEvery == config.Off:
		return "", nil
	case t.Home == 0:
		return "", &Ailment{Cause: fmt.Sprintf("the gateway takes packets, and of %d to ourselves none came home", w.end.Status().Packets.SentCover), Remedy: "a mix node is down, or drops packets; it leaves the topology within a minute if it is down. Their operators see more with \"mixnode status\""}
	}
	return fmt.Sprintf("%d of %d packets to ourselves are home", t.Home, t.Sent), nil
}

// requester waits for its answer.
func (w *walk) requester(ctx context.Context) (string, error) {
	if w.Egress {
		return "", nil
	}
	began := time.Now()
	in, err := w.until(ctx, requesterWithin, func() bool { return w.end.Status().Ready })
	if err != nil {
		return "", err
	}
	if !in {
		at := "the requester"
		if all := w.end.Status().Requesters; len(all) > 0 {
			at = fmt.Sprintf("requester %v", all[0].Address.Identity)
		}
		return "", &Ailment{Cause: at + " does not answer, though packets cross the network", Remedy: "it, or its gateway, is down: ask its operator, or name another with --requester"}
	}
	return fmt.Sprintf("%v answered after %v", w.end.Status().Requesters[0].Address.Identity, time.Since(began).Round(time.Millisecond)), nil
}

// stream opens one, to the target or to what every requester of ours has.
func (w *walk) stream(ctx context.Context) (string, error) {
	if w.Egress {
		return "", nil
	}
	target := w.Target
	if target == "" {
		target = endpoint.HeadTarget
	}
	ctx, stop := context.WithTimeout(ctx, streamWithin*time.Duration(max(1, w.Patience)))
	defer stop()
	began := time.Now()
	c, err := w.end.Dial(ctx, target, proxy.DialOptions{})
	took := time.Since(began).Round(time.Millisecond)
	var failed *proxy.OpenError
	switch {
	case err == nil:
		c.Close()
		return fmt.Sprintf("opened after %v", took), nil
	case errors.As(err, &failed) && w.Target == "" && failed.Reason != proxy.ReasonNoAnswer && failed.Reason != proxy.ReasonNoNetwork:
		return fmt.Sprintf("asked for and answered after %v", took), nil // not one of ours
	case errors.As(err, &failed):
		return "", streamAilment(failed.Reason)
	case errors.Is(err, context.DeadlineExceeded):
		return "", streamAilment(proxy.ReasonNoAnswer)
	}
	return "", err
}

// streamAilment says what a reason means.
func streamAilment(r proxy.Reason) *Ailment {
	a := &Ailment{Cause: "the requester says: " + r.String(), Remedy: "is the target up, and is its port right?"}
	switch r {
	case proxy.ReasonDenied:
		a.Cause, a.Remedy = "the requester's rules do not allow this target", "ask its operator for a rule, or use another requester"
	case proxy.ReasonDNS:
		a.Cause, a.Remedy = "the requester cannot find the target's name", "is the name right?"
	case proxy.ReasonNoAnswer, proxy.ReasonNoNetwork:
		a.Cause, a.Remedy = "a stream was asked for, and nothing came back", "packets are being lost; run this again, and look at \"loops\""
	}
	return a
}

// DoctorCommand is the command doctor of a program; of makes a Doctor of its settings.
// Other things that can be looked at are named by an argument.
func DoctorCommand[C config.Config](of func(C) Doctor, others map[string]func(*cli.Call[C]) error) cli.Command[C] {
	var args []string
	names := slices.Sorted(maps.Keys(others))
	if len(names) > 0 {
		args = []string{"[" + strings.Join(names, "|") + "]"}
	}
	return cli.Command[C]{
		Name:     "doctor",
		Usage:    "walk the way from here to the requester, and say what is wrong and what to do",
		Settings: []string{"network.topology", "network.directories", "network.key", "network.name", "client.gateway", "socks.requester", "socks.listen"},
		Flags: []cli.Flag{
			{Name: "target", Arg: "HOST:PORT", Help: "open a stream there at the end, to see whether the requester's rules allow it; nothing is sent"},
			{Name: "patient", Help: "wait four times as long at each step, for slow lines"},
		},
		Args:      args,
		Stateless: true,
		Do: func(c *cli.Call[C]) ([]cli.Detail, error) {
			if len(c.Args) > 0 {
				look := others[c.Args[0]]
				if look == nil {
					return nil, cli.Usage("there is no %q to look at; it can be %s", c.Args[0], strings.Join(names, ", "))
				}
				return nil, look(c)
			}
			if err := c.Config.Missing(); err != nil {
				return nil, err
			}
			d := of(c.Config)
			d.Target = c.Flag("target")
			if c.Has("patient") {
				d.Patience = 4
			}
			d.Tell = func(step, result string) { fmt.Fprintf(c.Out(), "%-10s fine: %s\n", step, result) }
			err := d.Run(c.Context())
			var found *Ailment
			if errors.As(err, &found) {
				fmt.Fprintf(c.Out(), "%-10s WRONG: %s\n%-10s what to do: %s\n", found.Step, found.Cause, "", found.Remedy)
				return nil, fmt.Errorf("something is wrong with: %s", found.Step)
			}
			return nil, err
		},
	}
}
