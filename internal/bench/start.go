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
// from before the process is there to when it says that it is up, which is when
// it is connected. The first start, which makes keys and registers, is not among
// them. The yardstick is the same program saying what it was built from.
var startFigures = func() (all []Figure) {
	for _, program := range startPrograms {
		all = append(all, startFigure(program))
	}
	return all
}()

var startPrograms = []string{"directory", "mixnode", "gateway", "network-requester", "nym-socks5"}

func startFigure(program string) Figure {
	return Figure{
		Name: program + ", start until ready", Unit: "ms", Goal: AtMost(200),
		Measure: func(l *Lab) (Value, error) {
			all, err := l.starts()
			return all[program], err
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
	n, err := fleet.Make(ctx, fleet.Spec{
		Dir: dir, Programs: programs, MixesPerLayer: 1, Traffic: fleet.Fast,
		Rules: fleet.Rules{Allow: []string{"127.0.0.1:1"}},
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
		all, err = startAll(ctx, n, programs, rounds)
		return err
	})
	err = g.Wait()
	return all, err
}

// startAll stops and starts one part of each program.
func startAll(ctx context.Context, n *fleet.Network, programs fleet.Programs, rounds int) (map[string]Value, error) {
	all := make(map[string]Value)
	for _, part := range n.Parts {
		if _, ok := all[part.Program]; ok {
			continue
		}
		var up, yard []float64
		for range rounds {
			if err := n.Stop(ctx, part.Name); err != nil {
				return nil, err
			}
			began := time.Now()
			if err := n.Start(ctx, part.Name); err != nil {
				return nil, err
			}
			up = append(up, millis(time.Since(began)))
			began = time.Now()
			if err := exec.CommandContext(ctx, programs[part.Program], "build-info").Run(); err != nil {
				return nil, err
			}
			yard = append(yard, millis(time.Since(began)))
		}
		all[part.Program] = Value{Measured: median(up), Yardstick: median(yard)}
	}
	return all, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
