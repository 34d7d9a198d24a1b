package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"nym-socks5/config"
	"nym-socks5/internal/ops"
)

// Files of the state folder that have to do with looking at a program that runs.
const (
	opsSocket = "ops.sock"  // where its owner asks it
	opsToken  = "ops.token" // what others show at its port
)

// A watch is what whoever looks at the program sees. The zero watch is that of one
// that has not begun.
type watch struct {
	mu     sync.Mutex
	state  string
	since  time.Time
	up     time.Time
	ready  bool
	report func() ops.Report
}

func (w *watch) status(state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.since = state, time.Now()
}

// now gives the report of the moment.
func (w *watch) now() ops.Report {
	w.mu.Lock()
	report, ready := w.report, w.ready
	r := ops.Report{State: w.state, Since: w.since, Up: w.up}
	w.mu.Unlock()
	if report != nil {
		own := report() // may take its time
		r.Waits, r.Facts, r.Counts = own.Waits, own.Facts, own.Counts
	}
	if !ready && r.Waits == "" {
		r.Waits = "the end of its start"
	}
	return r
}

// Watch says how the program fares, for those who ask while it runs. The report's
// Waits, Facts and Counts are looked at, often and by many goroutines.
func (e *Env[C]) Watch(report func() ops.Report) {
	e.seen.mu.Lock()
	defer e.seen.mu.Unlock()
	e.seen.report = report
}

// serveOps answers those who ask, until it is ended. That nobody can ask at the socket
// is no reason to stop.
func (e *Env[C]) serveOps() (end func(), err error) {
	var port net.Listener
	if config.Common(e.Config).Ops.Listen.IsValid() {
		if port, err = e.Listen("ops.listen"); err != nil {
			return nil, err
		}
	}
	token, err := e.opsToken()
	if err != nil {
		return nil, errors.Join(err, port.Close())
	}
	socket, err := ops.Listen(e.State.Path(opsSocket))
	if err != nil {
		e.Log.Warn().Err(err).Msg("nobody can ask for the status of this program")
	}
	e.seen.up = time.Now()
	e.seen.status("starting")
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := ops.New(e.seen.now, token).Run(ctx, port, socket); err != nil {
			e.Log.Error().Err(err).Msg("nobody can ask for the status of this program any more")
		}
	})
	return func() { stop(); wg.Wait() }, nil
}

// opsToken reads the token for the port, and makes one where none is named.
func (e *Env[C]) opsToken() (string, error) {
	o := config.Common(e.Config).Ops
	if !o.Listen.IsValid() {
		return "", nil
	}
	if o.Token != "" {
		b, err := ReadSecret(string(o.Token))
		return strings.TrimSpace(string(b)), err
	}
	token, err := e.State.ReadText(opsToken)
	if err == nil && token == "" {
		token = rand.Text()
		err = e.State.WriteText(opsToken, token)
	}
	if err == nil {
		e.Log.Info().Str("file", e.State.Path(opsToken)).Msg("the port of ops wants the token of this file")
	}
	return token, err
}

// status is the command status.
func (p Program[C]) status(c *cli.Context) error {
	at, err := p.chosen(c)
	if err != nil {
		return err
	}
	s := &State{dir: at.state}
	ctx, stop := context.WithTimeout(c.Context, askWithin)
	defer stop()
	st, err := ops.Ask(ctx, s.Path(opsSocket))
	switch {
	case errors.Is(err, ops.ErrNotRunning):
		return Temporary(fmt.Errorf("%s does not run with the state folder %s; say %s run", p.Name, at.state, p.Name))
	case err != nil:
		return fmt.Errorf("the program that runs with %s does not tell: %w", at.state, err)
	}
	facts := []Detail{
		{"state", fmt.Sprintf("%s, for %v", st.State, ago(st.Since))},
		{"ready", "yes"},
		{"up", fmt.Sprintf("since %s", st.Up.Local().Format(time.DateTime))},
	}
	if !st.Ready {
		facts[1].Value = "no, it waits for " + st.Waits
	}
	for _, f := range st.Facts {
		facts = append(facts, Detail(f))
	}
	for _, name := range slices.Sorted(maps.Keys(st.Count)) {
		if n := st.Count[name]; n > 0 {
			facts = append(facts, Detail{name, fmt.Sprint(n)})
		}
	}
	return output(c, st, facts)
}

// ago is how long something has been so, for people.
func ago(since time.Time) time.Duration { return max(0, time.Since(since)).Round(time.Second) }
