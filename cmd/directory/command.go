package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/wholefile"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/directory/dirhttp"
	"nym-socks5/mixnet/keys"
)

// commands are those that only this program has.
var commands = []cli.Command[*config.Directory]{{
	Name:     "allow",
	Usage:    "write an identity to the list of those that may join",
	Args:     []string{"IDENTITY"},
	Flags:    []cli.Flag{roleFlag},
	Settings: membersSetting,
	Do:       allow,
}, {
	Name:     "deny",
	Usage:    "take an identity off that list",
	Args:     []string{"IDENTITY"},
	Flags:    []cli.Flag{roleFlag},
	Settings: membersSetting,
	Do:       deny,
}, {
	Name:     "members",
	Usage:    "print that list",
	Settings: membersSetting,
	Do:       listMembers,
}, {
	Name:  "invite",
	Usage: "print a link by which users join, or, with --role, who runs a node",
	Flags: []cli.Flag{
		{Name: "role", Arg: "ROLE", Help: "what it lets somebody join as: mixnode, gateway or requester. Without it, the link is for users, the same for everybody, and no secret"},
		{Name: "expires", Arg: "TIME", Help: "how long the invitation is good for, such as 30m or 72h (default: 24h)"},
		{Name: "uses", Arg: "N", Help: "how many may join by it; each of them once (default: 1)"},
		{Name: "requester", Arg: "ADDRESS", Help: "network requester that users are to have (default: auto, those that register)"},
		{Name: "qr", Help: "draw the link too, for a camera"},
		{Name: "file", Arg: "FILE", Help: "write the facts of the network there too, as network.toml"},
	},
	Settings: []string{"directory.name", "directory.listen", "directory.url"},
	Do:       invitation,
}, {
	Name:     "invites",
	Usage:    "list the invitations, and how often each was used",
	Settings: []string{},
	Do:       listInvites,
}, {
	Name:     "revoke",
	Usage:    "take an invitation back; who joined by it stays until it is denied",
	Args:     []string{"KEY"},
	Settings: []string{},
	Do:       revoke,
}, {
	Name:     "export",
	Usage:    "write the topology file that Nym's programs take; the directory must be running",
	Flags:    []cli.Flag{{Name: "custom-mixnet", Arg: "FILE", Help: "where to write it", Needed: true}},
	Settings: []string{"directory.name", "directory.listen", "directory.url"},
	Do:       export,
}}

var membersSetting = []string{"directory.members"}

var roleFlag = cli.Flag{Name: "role", Arg: "ROLE", Help: "what it joins as: mixnode, gateway or requester", Needed: true}

type call = cli.Call[*config.Directory]

// atNextReading is when a change of a list counts.
const atNextReading = "some seconds, if the directory runs, else its next start"

func allow(c *call) ([]cli.Detail, error) { return change(c, "allowed", addMember) }

func deny(c *call) ([]cli.Detail, error) { return change(c, "denied", removeMember) }

// change changes the list by one member.
func change(c *call, done string, do func(path string, m member) (bool, error)) ([]cli.Detail, error) {
	m, err := parseMember(c.Args[0], c.Flag("role"))
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	path := membersFile(c.Config.List, c.State)
	changed, err := do(path, m)
	if err != nil {
		return nil, err
	}
	facts := []cli.Detail{{Name: done, Value: m.String()}, {Name: "in", Value: path}}
	if !changed {
		return append(facts, cli.Detail{Name: "unchanged", Value: "the list said so already"}), nil
	}
	return append(facts, cli.Detail{Name: "within", Value: atNextReading}), nil
}

func listMembers(c *call) (facts []cli.Detail, err error) {
	list, err := openMembers(membersFile(c.Config.List, c.State))
	if err != nil {
		return nil, err
	}
	roles := make(map[string][]string)
	for m := range list.Value() {
		id := m.id.String()
		roles[id] = append(roles[id], string(m.role))
	}
	for id, of := range roles {
		slices.Sort(of)
		facts = append(facts, cli.Detail{Name: id, Value: strings.Join(of, " ")})
	}
	slices.SortFunc(facts, func(a, b cli.Detail) int {
		return cmp.Or(strings.Compare(a.Value, b.Value), strings.Compare(a.Name, b.Name))
	})
	return facts, nil
}

func export(c *call) ([]cli.Detail, error) {
	ctx, stop := context.WithTimeout(context.Background(), exportWithin)
	defer stop()
	list := c.Config.List
	v, err := look(ctx, address(list, list.Listen), c.Keys.Identity.Public(), list.Name)
	if err != nil {
		return nil, err
	}
	b, err := v.AppendFile(nil)
	if err != nil {
		return nil, err
	}
	file := c.Flag("custom-mixnet")
	if err := wholefile.Write(file, b, 0o644); err != nil { // it is public
		return nil, err
	}
	return []cli.Detail{
		{Name: "written", Value: file},
		{Name: "epoch", Value: fmt.Sprint(v.Epoch)},
		{Name: "nodes", Value: fmt.Sprint(len(v.Nodes))},
	}, nil
}

// look asks a running directory for the network.
func look(ctx context.Context, url string, key keys.Identity, network string) (*directory.View, error) {
	web := dirhttp.New(nil)
	defer web.Close()
	client, err := directory.NewClient(directory.ClientConfig{Fetch: web.Fetch, URLs: []string{url}, Key: key, Network: network})
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
