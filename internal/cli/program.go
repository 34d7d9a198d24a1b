package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
)

// A Program is one command, with settings of type C.
type Program[C config.Config] struct {
	Name  string // of the command
	Usage string // one line
	About string // paragraphs for --help and the manual page
	// New gives the default settings.
	New func() C
	// Keys are those the program cannot do without.
	Keys []Key
	// Ports are the settings of ports that Run opens, such as "socks.listen"; they
	// are tried before anything is written.
	Ports []string
	// Upgrade makes of state folders of before those of today.
	Upgrade Upgrade
	// Check reports what is wrong with settings that passed their own Check, for
	// instance in files they name. Its errors should wrap [config.ErrInvalid]. May be nil.
	Check func(C) error
	// CheckState reports what is wrong with keys and state, which it must not change.
	// It is asked before Run is called, and may be nil.
	CheckState func(C, *State, Keys) error
	// Renewing tells what to expect of a new key of that kind, or refuses to have one
	// drawn. Nil: there are none to renew.
	Renewing func(C, Key) (expect string, err error)
	// Retiring is told of a key that is about to be renewed. May be nil.
	Retiring func(C, *State, Key, Keys) error
	// Details tells what others need to know of us. If nil, there is no such command.
	Details func(C, *State, Keys) ([]Detail, error)
	// Commands are those that only this program has.
	Commands []Command[C]
	// Run runs until its context ends, then returns nil.
	Run func(context.Context, *Env[C]) error
	// StopWithin is how long Run may take to return when asked to. If zero, it
	// is 20 seconds.
	StopWithin time.Duration
}

// An Env is what Run finds.
type Env[C config.Config] struct {
	Config C
	Keys   Keys
	State  *State
	Log    zerolog.Logger
	Out    io.Writer // for what people or scripts wait for, line by line
	// Reload gives a value when files should be read again. Several signals may
	// be one value.
	Reload <-chan struct{}

	super supervisor
	keep  func() // writes the settings, if they are to be
	seen  watch
}

// Ready tells whoever started the program that it is up. The status is for
// people, such as "listening". Settings of a first start are kept from then on.
func (e *Env[C]) Ready(status string) {
	e.keep()
	e.super.tell("READY=1")
	e.seen.mu.Lock()
	e.seen.ready = true
	e.seen.mu.Unlock()
	e.Status(status)
}

// Status tells whoever started the program, and the log, what it does.
func (e *Env[C]) Status(status string) {
	e.Log.Info().Str("status", status).Msg("status")
	e.seen.status(status)
	e.super.tell("STATUS=" + status)
}

// A Detail is a fact for others, such as a public key.
type Detail struct{ Name, Value string }

// Main runs a command and gives its exit code.
func Main[C config.Config](p Program[C]) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := NoCoreDumps(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: core dumps stay on: %v\n", p.Name, err)
	}
	p.unsetEmpty()
	err := p.execute(ctx, os.Args, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", p.Name, p.message(err))
	}
	return exitCode(err)
}

// execute runs one command line.
func (p Program[C]) execute(ctx context.Context, args []string, out, errOut io.Writer) error {
	if p.StopWithin == 0 {
		p.StopWithin = 20 * time.Second
	}
	a := p.app()
	a.Writer, a.ErrWriter = out, errOut
	if len(args) > 1 {
		args = append(args[:1:1], flagsFirst(a.Commands, args[1:])...)
	}
	return a.RunContext(ctx, args)
}

// unsetEmpty makes an empty variable as good as none, as scripts expect that
// pass on what they may not have.
func (p Program[C]) unsetEmpty() {
	for _, f := range slices.Concat(p.instanceFlags(), p.joinFlags(), p.settingFlags()) {
		if name := p.variable(f.Names()[0]); os.Getenv(name) == "" {
			os.Unsetenv(name)
		}
	}
}

// variable is the name of the environment variable of a flag.
func (p Program[C]) variable(flag string) string {
	return strings.ToUpper(strings.ReplaceAll(p.Name+"_"+flag, "-", "_"))
}
