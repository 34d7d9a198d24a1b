package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// patience is how long one example may take, and everything together: real nodes of
// three chains take most of it.
const patience, patienceInAll = 12 * time.Minute, 30 * time.Minute

// An example is one that can be run.
type example struct {
	name  string
	needs []string // programs of the machine
	run   func(context.Context, *world) error
	shows string
}

// examples are all of them. What is in a folder and not here is in elsewhere.
var examples = []example{
	{"hello", nil, hello, "a stream from one endpoint to another, in one process"},
	{"talk", nil, talk, "two people who type, one calls the other's address"},
	{"grpc", nil, grpc, "gRPC from address to address, a module of its own"},
	{"first-message", []string{"python3", "node"}, firstMessage, "messages from Python and JavaScript, plain and anonymous, and to somebody who is away"},
	{"notes", []string{"python3", "node"}, notes, "three services that keep notes, each asked by three clients; one is killed"},
	{"chat", []string{"node", "npm", "chromium"}, chat, "two people in terminals, then on pages; one is away, files are sent"},
	{"backend", []string{"curl"}, backend, "a web API behind a requester that allows nothing else, by the library and by curl"},
	{"broadcast", []string{"node", "npm", "monerod"}, broadcast, "transactions to real nodes of Bitcoin, Ethereum and Monero that do not learn where from"},
}

// elsewhere are examples that are run by something else.
var elsewhere = map[string]string{"web": "make sdk", "run": "this program"}

func main() {
	without := flag.String("without", "", "leave out the examples that need these `PROGRAMS`, such as node,chromium")
	only := flag.String("only", "", "run these `EXAMPLES` only, such as notes,backend")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patienceInAll)
	defer cancel()
	if err := runAll(ctx, split(*without), split(*only), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "examples:", err)
		os.Exit(1)
	}
}

func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// runAll runs the examples and prints what became of each. It goes on behind one
// that fails.
func runAll(ctx context.Context, without, only []string, out io.Writer) error {
	if err := checkFolders("examples"); err != nil {
		return err
	}
	chosen, skipped, err := choose(without, only)
	if err != nil {
		return err
	}
	w, err := newWorld(ctx, out)
	if err != nil {
		return err
	}
	defer w.close()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var failed []string
	for _, e := range chosen {
		fmt.Fprintf(out, "\n%s: %s\n", e.name, e.shows)
		began := time.Now()
		err := w.run(ctx, e)
		verdict := "ran"
		if err != nil {
			verdict = "FAILED"
			failed = append(failed, e.name)
			fmt.Fprintf(out, "%s: %v\n", e.name, err)
		}
		fmt.Fprintf(table, "%s\t%s\t%.1f s\n", e.name, verdict, time.Since(began).Seconds())
	}
	for _, s := range skipped {
		fmt.Fprintf(table, "%s\tSKIPPED\t%s\n", s[0], s[1])
	}
	fmt.Fprintln(out)
	if err := table.Flush(); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// choose says which examples run, and which do not and why. A program that is
// missing is an error: what is not run should be somebody's decision.
func choose(without, only []string) (chosen []example, skipped [][2]string, err error) {
	for _, name := range only {
		if !slices.ContainsFunc(examples, func(e example) bool { return e.name == name }) {
			return nil, nil, fmt.Errorf("there is no example %s to run", name)
		}
	}
	for _, e := range examples {
		if len(only) > 0 && !slices.Contains(only, e.name) {
			continue
		}
		i := slices.IndexFunc(e.needs, func(n string) bool { return slices.Contains(without, n) })
		if i >= 0 {
			skipped = append(skipped, [2]string{e.name, "needs " + e.needs[i]})
			continue
		}
		for _, n := range e.needs {
			if _, err := exec.LookPath(n); err != nil {
				return nil, nil, fmt.Errorf("%s needs %s, which is not installed: install it, or leave out what needs it by WITHOUT=%s", e.name, n, n)
			}
		}
		chosen = append(chosen, e)
	}
	names := make([]string, 0, len(elsewhere))
	for name := range elsewhere {
		if _, err := os.Stat("examples/" + name); err == nil && name != "run" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		skipped = append(skipped, [2]string{name, elsewhere[name] + " runs it"})
	}
	return chosen, skipped, nil
}

// checkFolders wants every folder of examples to be in one of the two lists.
func checkFolders(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%w: run this in the root of the repository", err)
	}
	for _, d := range entries {
		if !d.IsDir() || elsewhere[d.Name()] != "" {
			continue
		}
		if !slices.ContainsFunc(examples, func(e example) bool { return e.name == d.Name() }) {
			return errors.New("nothing runs " + dir + "/" + d.Name())
		}
	}
	return nil
}
