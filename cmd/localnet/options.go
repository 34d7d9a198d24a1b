package main

import (
	"io"
	stdlog "log"
	"net/netip"
	"os"
	"strings"
	"time"

	common "nym-socks5/internal/cli"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"nym-socks5/internal/fleet"
	"nym-socks5/localnet"
	"nym-socks5/mixnet/client"
)

// A profile is a kind of traffic.
type profile struct {
	name    string
	traffic client.Traffic
	about   string
}

var profiles = []profile{
	{"nym", client.Traffic{}, "delays, pacing and cover as in Nym"},
	{"fast", client.Fast(), "no delays, no pacing, no cover: this hides nothing"},
}

func parseProfile(name string) (profile, error) {
	for _, p := range profiles {
		if p.name == name {
			return p, nil
		}
	}
	return profile{}, usagef("unknown profile %q; say --profile nym or --profile fast", name)
}

// options are what both commands' flags say.
type options struct {
	profile profile
	spec    localnet.Spec // with Traffic, MixesPerLayer, SOCKS and Log
}

// traffic is that of the profile, for separate programs.
func (o options) traffic() fleet.Traffic { return fleet.Traffic(o.profile.name == "fast") }

func parseOptions(c *cli.Context) (o options, err error) {
	if err := common.NoArguments(c); err != nil {
		return o, err
	}
	if o.profile, err = parseProfile(c.String("profile")); err != nil {
		return o, err
	}
	if n := c.Int("mixes-per-layer"); n < 1 || n > maxMixes {
		return o, usagef("--mixes-per-layer %d: say a number from 1 to %d", n, maxMixes)
	}
	o.spec.Traffic = o.profile.traffic
	o.spec.MixesPerLayer = c.Int("mixes-per-layer")
	if o.spec.SOCKS, err = parsePort("socks", c.String("socks"), c.Bool("beyond-loopback")); err != nil {
		return o, err
	}
	if text := c.String("directory"); text != "" {
		if o.spec.Directory, err = parsePort("directory", text, c.Bool("beyond-loopback")); err != nil {
			return o, err
		}
	}
	o.spec.Log, err = newLog(os.Stderr, isTerminal(os.Stderr), c.String("log-level"))
	return o, err
}

// parsePort checks where a port shall be. Whoever reaches it may use it, so
// other machines must be asked for by name (H34).
func parsePort(flag, text string, beyond bool) (string, error) {
	addr := text
	if port, ok := strings.CutPrefix(text, "localhost:"); ok {
		addr = "127.0.0.1:" + port
	} else if strings.HasPrefix(text, ":") {
		addr = "[::]" + text
	}
	ap, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil:
		return "", usagef("--%s %q is no address and port; write it like 127.0.0.1:1080", flag, text)
	case !ap.Addr().Unmap().IsLoopback() && !beyond:
		return "", usagef("--%s %s can be reached from other machines, and has no password; add --beyond-loopback if you mean it", flag, text)
	}
	return ap.String(), nil
}

// newLog makes the log: for people on a terminal, JSON elsewhere.
func newLog(w io.Writer, terminal bool, level string) (zerolog.Logger, error) {
	levels := map[string]zerolog.Level{
		"debug": zerolog.DebugLevel, "info": zerolog.InfoLevel, "warn": zerolog.WarnLevel,
		"error": zerolog.ErrorLevel, "off": zerolog.Disabled,
	}
	l, ok := levels[level]
	if !ok {
		return zerolog.Nop(), usagef("unknown log level %q; say debug, info, warn, error or off", level)
	}
	stdlog.SetOutput(io.Discard) // libraries write there what hosts said
	if terminal {
		w = zerolog.ConsoleWriter{Out: aboveLive{w}, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(l).With().Timestamp().Logger(), nil
}

func isTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }
