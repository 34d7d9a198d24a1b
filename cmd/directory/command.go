package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// A command is one that only this program has. It finds its profile as the
// command details does, and prints what it did in the same way.
//
//	allow ID --role mixnode --id test  ──prepare──▶  details --id test, with the work in place of details
type command struct {
	usage string
	// prepare takes from the arguments what is the command's own, and gives its work.
	prepare func(args []string) (work, []string, error)
}

// A work is what a command does with a profile.
type work func(*config.Directory, *cli.State, cli.Keys) ([]cli.Detail, error)

// commands are those beside the usual ones.
var commands = map[string]command{
	"allow": {
		"directory allow IDENTITY --role mixnode|gateway|requester [--id ID] [--config FILE] [--state-dir DIR]",
		prepareAllow,
	},
	"export": {
		"directory export --custom-mixnet FILE [--id ID] [--config FILE] [--state-dir DIR]",
		prepareExport,
	},
}

// exitUsage is the exit code of a wrong command line, as everywhere.
const exitUsage = 2

// main runs the command and gives its exit code.
func (c command) main(name string, args []string) int {
	if slices.ContainsFunc(args, func(a string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, a) }) {
		fmt.Printf("usage: %s\n", c.usage)
		return 0
	}
	do, rest, err := c.prepare(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "directory: %v; see directory %s --help\n", err, name)
		return exitUsage
	}
	p := program()
	p.Details = do
	os.Args = append([]string{os.Args[0], "details"}, rest...)
	return cli.Main(p)
}

// take takes a flag out of arguments.
func take(args []string, flag string) (value string, rest []string, err error) {
	for i, a := range args {
		name, v, joined := strings.Cut(strings.TrimPrefix(a, "-"), "=")
		if name != "-"+flag && (name != flag || !strings.HasPrefix(a, "-")) {
			continue
		}
		switch {
		case joined:
			return v, slices.Delete(slices.Clone(args), i, i+1), nil
		case i+1 < len(args):
			return args[i+1], slices.Delete(slices.Clone(args), i, i+2), nil
		}
	}
	return "", nil, fmt.Errorf("--%s is missing or has no value", flag)
}

func prepareAllow(args []string) (work, []string, error) {
	role, rest, err := take(args, "role")
	switch {
	case err != nil:
		return nil, nil, err
	case len(rest) == 0 || strings.HasPrefix(rest[0], "-"):
		return nil, nil, errors.New("the identity comes first, right after allow")
	}
	m, err := parseMember(rest[0], role)
	if err != nil {
		return nil, nil, err
	}
	return func(c *config.Directory, s *cli.State, _ cli.Keys) ([]cli.Detail, error) {
		path := membersFile(c.List, s)
		added, err := addMember(path, m)
		if err != nil {
			return nil, err
		}
		said := "the next HUP, or start, of the directory"
		if !added {
			said = "already, it was in the file"
		}
		return []cli.Detail{
			{Name: "allowed", Value: m.String()}, {Name: "in", Value: path}, {Name: "with", Value: said},
		}, nil
	}, rest[1:], nil
}

// exportWithin is how long export waits for the directory.
const exportWithin = 15 * time.Second

func prepareExport(args []string) (work, []string, error) {
	file, rest, err := take(args, "custom-mixnet")
	if err != nil {
		return nil, nil, err
	}
	return func(c *config.Directory, _ *cli.State, ks cli.Keys) ([]cli.Detail, error) {
		ctx, stop := context.WithTimeout(context.Background(), exportWithin)
		defer stop()
		v, err := look(ctx, address(c.List, c.List.Listen), ks.Identity.Public(), c.List.Name)
		if err != nil {
			return nil, err
		}
		b, err := v.AppendFile(nil)
		if err != nil {
			return nil, err
		}
		if err := replace(file, b); err != nil {
			return nil, err
		}
		return []cli.Detail{
			{Name: "written", Value: file},
			{Name: "epoch", Value: fmt.Sprint(v.Epoch)},
			{Name: "nodes", Value: fmt.Sprint(len(v.Nodes))},
		}, nil
	}, rest, nil
}

// look asks a running directory for the network.
func look(ctx context.Context, url string, key keys.Identity, network string) (*directory.View, error) {
	client, err := directory.NewClient(directory.ClientConfig{URLs: []string{url}, Key: key, Network: network})
	if err != nil {
		return nil, cli.Invalid("%v", err)
	}
	inner, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- client.Run(inner) }()
	_, err = client.Network(ctx)
	stop()
	err = errors.Join(err, <-ended)
	if errors.Is(err, context.DeadlineExceeded) {
		err = cli.Temporary(fmt.Errorf("nothing to export was found at %s within %v: the directory must run, with a mix node in each layer and a gateway", url, exportWithin))
	}
	if err != nil {
		return nil, err
	}
	return client.View(), nil
}

// replace writes a file whole or not at all (H36).
func replace(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o644) // it is public
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
