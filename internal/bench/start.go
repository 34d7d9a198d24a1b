package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/internal/fleet"
)

// The figures of programs that start, as processes with a directory at hand:
// from before the process is there to when it says that it is up. The first start,
// which makes keys and registers, is not among them. The yardstick is the same
// program saying what it was built from.
var startFigures = func() (all []Figure) {
	for _, program := range startPrograms {
		all = append(all, startFigure(program+", start until ready", program))
	}
	// It is ready when a requester has answered, six hops there and back; this is
	// what the others do.
	return append(all, startFigure("nym-socks5, start until connected to its gateway", socksConnected))
}()

var startPrograms = []string{"directory", "mixnode", "gateway", "network-requester", "nym-socks5"}

// socksConnected stands beside the programs for when a start of nym-socks5 has come
// as far as socksAsks, a status that it tells.
const (
	socksConnected = "nym-socks5 connected"
	socksAsks      = "asking a requester"
)

func startFigure(name, what string) Figure {
	return Figure{
		Name: name, Unit: "ms", Goal: AtMost(200),
		Measure: func(l *Lab) (Value, error) {
			all, err := l.starts()
			return all[what], err
		},
	}
}

// startRounds is how often each program is started.
const startRounds = 7

func (l *Lab) starts() (map[string]Value, error) {
	return once(l, "starts", func() (map[string]Value, error) {
		programs, err := l.programs()
		if err != nil {
			return nil, err
		}
		return measureStarts(l.ctx, programs, startRounds)
	})
}

// programs builds the programs that run as processes. They are there until the
// run ends.
func (l *Lab) programs() (fleet.Programs, error) {
	return once(l, "programs", func() (fleet.Programs, error) {
		dir, err := os.MkdirTemp("", "nym-bench-")
		if err != nil {
			return nil, err
		}
		l.cleanup = append(l.cleanup, func() error { return os.RemoveAll(dir) })
		bin := dir + string(filepath.Separator)
		build := exec.CommandContext(l.ctx, "go", "build", "-o", bin)
		for _, program := range startPrograms {
			build.Args = append(build.Args, "nym-socks5/cmd/"+program)
		}
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w\n%s", err, out)
		}
		return fleet.Find(bin)
	})
}

// measureStarts runs a network of the programs.
func measureStarts(ctx context.Context, programs fleet.Programs, rounds int) (all map[string]Value, err error) {
	dir, err := os.MkdirTemp("", "nym-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	asks := make(chan time.Time, 1) // full: nobody waits for it
	n, err := fleet.Make(ctx, fleet.Spec{
		Dir: dir, Programs: programs, MixesPerLayer: 1, Traffic: fleet.Fast,
		Rules: fleet.Rules{Allow: []string{"127.0.0.1:1"}},
		Heard: func(part, status string) {
			if status == socksAsks {
				select {
				case asks <- time.Now():
				default:
				}
			}
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.Run(ctx) })
	g.Go(func() error {
		defer stop()
		select {
		case <-n.Ready():
		case <-ctx.Done():
			return ctx.Err()
		}
		all, err = startAll(ctx, n, programs, rounds, asks)
		return err
	})
	err = g.Wait()
	return all, err
}

// startAll stops and starts one part of each program. asks tells when nym-socks5
// asks a requester.
func startAll(ctx context.Context, n *fleet.Network, programs fleet.Programs, rounds int, asks chan time.Time) (map[string]Value, error) {
	all := make(map[string]Value)
	for _, part := range n.Parts {
		if _, ok := all[part.Program]; ok {
			continue
		}
		var up, connected, yard []float64
		for range rounds {
			if err := n.Stop(ctx, part.Name); err != nil {
				return nil, err
			}
			select {
			case <-asks: // of the start before
			default:
			}
			began := time.Now()
			if err := n.Start(ctx, part.Name); err != nil {
				return nil, err
			}
			up = append(up, millis(time.Since(began)))
			if part.Program == "nym-socks5" {
				select {
				case at := <-asks:
					connected = append(connected, millis(at.Sub(began)))
				default: // the answer was there before it came to saying that it asks
					connected = append(connected, up[len(up)-1])
				}
			}
			began = time.Now()
			if err := exec.CommandContext(ctx, programs[part.Program], "build-info").Run(); err != nil {
				return nil, err
			}
			yard = append(yard, millis(time.Since(began)))
		}
		all[part.Program] = Value{Measured: median(up), Yardstick: median(yard)}
		if connected != nil {
			all[socksConnected] = Value{Measured: median(connected), Yardstick: median(yard)}
		}
	}
	return all, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
