package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// A Lab is one run: what its figures share.
type Lab struct {
	ctx      context.Context
	progress io.Writer
	child    func(mode string) ([]string, error)
	known    map[string]any
	cleanup  []func() error // of what figures share, last first
}

// Config says what to run.
type Config struct {
	// Select chooses figures by name. If nil, all are measured.
	Select *regexp.Regexp
	// Progress receives a line for each figure. If nil, nothing is written.
	Progress io.Writer
	// Child gives the command line that runs [Child] in the given mode, in a
	// process of its own.
	Child func(mode string) ([]string, error)
}

// Run measures the figures in turn. It stops at the first that cannot be
// measured; a goal that is missed is no error.
func Run(ctx context.Context, cfg Config) (rows []Row, err error) {
	l := &Lab{ctx: ctx, progress: cfg.Progress, child: cfg.Child, known: make(map[string]any)}
	if l.progress == nil {
		l.progress = io.Discard
	}
	defer func() {
		for _, f := range slices.Backward(l.cleanup) {
			err = errors.Join(err, f())
		}
	}()
	for _, f := range figures() {
		if cfg.Select != nil && !cfg.Select.MatchString(f.Name) {
			continue
		}
		began := time.Now()
		r, err := f.measure(l)
		if err != nil {
			return rows, err
		}
		fmt.Fprintf(l.progress, "%6.1f s  %s: %s %s\n", time.Since(began).Seconds(), r.Figure, number(r.Measured), r.Unit)
		rows = append(rows, r)
	}
	return rows, nil
}

// once measures what several figures need for the first of them.
func once[V any](l *Lab, name string, measure func() (V, error)) (V, error) {
	if v, ok := l.known[name].(V); ok {
		return v, nil
	}
	v, err := measure()
	if err == nil {
		l.known[name] = v
	}
	return v, err
}
