package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"time"

	"nym-socks5/internal/mutants"
)

// patience bounds one run of tests: a mutant that hangs is killed, which counts as
// noticed.
const patience = 5 * time.Minute

func main() {
	only := flag.String("run", "", "only mutants whose rule and name match this `expression`")
	table := flag.Bool("table", false, "print the table for docs/security.md and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *table); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, table bool) error {
	all, err := mutants.All()
	if err != nil {
		return err
	}
	if table {
		fmt.Print(mutants.Markdown(all))
		return nil
	}
	which, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	tried, survived := 0, 0
	for _, m := range all {
		if !which.MatchString(m.Rule + " " + m.Name) {
			continue
		}
		begun := time.Now()
		killed, err := try(ctx, m)
		if err != nil {
			return fmt.Errorf("%s %s: %w", m.Rule, m.Name, err)
		}
		tried++
		verdict := "noticed "
		if !killed {
			verdict = "SURVIVES"
			survived++
		}
		fmt.Printf("%s  %5.1f s  %s %s\n", verdict, time.Since(begun).Seconds(), m.Rule, m.Name)
	}
	fmt.Printf("%d passed, %d failed\n", tried-survived, survived)
	switch {
	case tried == 0:
		return errors.New("no mutant matches")
	case survived > 0:
		return fmt.Errorf("%d of %d mutants are noticed by no test", survived, tried)
	}
	return nil
}

// try runs the mutant's tests with its file in place of the real one. They must
// pass without it, which the ordinary run of tests shows.
func try(ctx context.Context, m mutants.Mutant) (killed bool, err error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	real, err := filepath.Abs(filepath.FromSlash(m.File))
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(real)
	if err != nil {
		return false, err
	}
	broken, err := m.Apply(string(text))
	if err != nil {
		return false, err
	}
	file := filepath.Join(dir, filepath.Base(real))
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		return false, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{real: file}})
	if err != nil {
		return false, err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// vet would look at the mutant, which need not please it.
	cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-count=1", "-timeout=2m", "-overlay", list, "-run", m.Test, m.Pkg)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil && bytes.Contains(out, []byte("[no tests to run]")):
		return false, fmt.Errorf("no test of %s matches %s", m.Pkg, m.Test)
	case err == nil:
		return false, nil
	case context.Cause(ctx) == context.DeadlineExceeded:
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case !errors.As(err, &exit), bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return false, fmt.Errorf("%w\n%s", err, out)
	}
	return true, nil
}
