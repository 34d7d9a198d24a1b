package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Version is that of all files here. It changes when an old file would be
// misunderstood.
const Version = 1

// ErrInvalid reports settings or a file that cannot be used as they are.
var ErrInvalid = errors.New("config: invalid")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// A Config is the settings of one program: a pointer to one of the structs here.
type Config interface {
	// Check reports settings that are wrong whatever the others are, and such
	// that do not go together. Its errors wrap [ErrInvalid].
	Check() error
	// Missing reports settings without defaults that the program cannot run
	// without, and that are not set. Its errors wrap [ErrInvalid].
	Missing() error
	base() *Base
}

// Base is what the settings of every program begin with.
type Base struct {
	Version int     `toml:"version"`
	Log     Log     `toml:"log"`
	Ops     Ops     `toml:"ops"`
	Network Network `toml:"network"`
}

func (b *Base) base() *Base { return b }

// Common gives what the settings of every program begin with.
func Common(c Config) *Base { return c.base() }

func newBase() Base {
	return Base{Version: Version, Log: Log{Level: "info", Format: "auto"}}
}

// Log says what is logged, and how. Nothing that tells who talks to whom is,
// at any level.
type Log struct {
	Level  string `toml:"level" flag:"log-level" arg:"LEVEL" help:"debug, info, warn, error or off"`
	Format string `toml:"format" flag:"log-format" arg:"FORMAT" help:"console, json, or auto: console on a terminal, json elsewhere"`
}

func (l Log) check() error {
	return errors.Join(
		oneOf("log.level", l.Level, "debug", "info", "warn", "error", "off"),
		oneOf("log.format", l.Format, "auto", "console", "json"),
	)
}

// Ops is where whoever runs the program sees how it fares, beside the socket in the
// state folder that PROGRAM status asks.
type Ops struct {
	Listen netip.AddrPort `toml:"listen" flag:"ops-listen" arg:"ADDR" help:"loopback IP and port of /healthz, /readyz, /metrics for Prometheus and /status.json. If empty, there is none"`
	Token  Path           `toml:"token" flag:"ops-token-file" arg:"FILE" help:"file with a text that whoever asks there for more than yes or no must show: in the header Authorization: Bearer TEXT. If empty, it is ops.token in the state folder, which is made"`
}

func (o Ops) check() error {
	if o.Listen.IsValid() && !o.Listen.Addr().Unmap().IsLoopback() {
		return invalid("ops.listen is %v, which other machines can reach; it must be a loopback address such as 127.0.0.1:9100", o.Listen)
	}
	return nil
}

// Network says where the snapshot of the network comes from: a file, or
// directories.
type Network struct {
	Topology    Path     `toml:"topology" flag:"topology" arg:"FILE" help:"file with the nodes of the network and their keys, read again on HUP; instead of directories"`
	Directories []string `toml:"directories" flag:"directory" arg:"URL" help:"directories to ask for the nodes, such as https://directory.example.org/api/; may be repeated"`
	Key         string   `toml:"key" flag:"directory-key" arg:"KEY" help:"key that signs what the directories say. If empty, whoever controls a directory, or the way to it, controls all routes"`
	Name        string   `toml:"name" flag:"network" arg:"NAME" help:"name of the network that the directories must speak of, where a key is given"`
}

func (n Network) check() error {
	var errs []error
	if n.Topology != "" && len(n.Directories) > 0 {
		errs = append(errs, invalid("network.topology and network.directories are both set, and only one can say what nodes there are"))
	}
	for _, d := range n.Directories {
		if u, err := url.Parse(d); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, invalid("network.directories: %q is no address of a directory; write it like https://directory.example.org/api/", d))
		}
	}
	return errors.Join(errs...)
}

func (n Network) missing() error {
	if n.Topology == "" && len(n.Directories) == 0 {
		return invalid("nothing says what nodes there are: say --topology FILE, or --directory URL")
	}
	return nil
}

func oneOf(key, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	hint := ""
	if c, ok := Closest(value, choices); ok {
		hint = fmt.Sprintf(" (did you mean %q?)", c)
	}
	return invalid("%s is %q%s; it can be %s", key, value, hint, strings.Join(choices, ", "))
}

// listening checks the address of a port of ours.
func listening(key string, a netip.AddrPort) error {
	if !a.IsValid() {
		return invalid("%s is not set: say where to listen, such as 127.0.0.1:1080", key)
	}
	return nil
}

// announced checks the address under which others reach a port of ours.
func announced(key string, a netip.AddrPort) error {
	switch {
	case !a.IsValid():
		return nil
	case a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Port() == 0:
		return invalid("%s is %v: nobody can connect there", key, a)
	case a.Addr().Zone() != "":
		return invalid("%s is %v: an address with a zone means nothing to others", key, a)
	}
	return nil
}

// between checks a number.
func between[T ~int | ~int64](key string, v, low, high T) error {
	if v < low || v > high {
		return invalid("%s is %v; it can be %v to %v", key, v, low, high)
	}
	return nil
}
