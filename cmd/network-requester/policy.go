package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nym-socks5/allowlist"
	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/wholefile"
	"nym-socks5/proxy/requester"
)

// rulesOf are the settings that say which rules there are.
var rulesOf = []string{"requester.allow", "requester.allowlist", "requester.open", "requester.resolver"}

var commands = []cli.Command[*config.Requester]{{
	Name:  "policy",
	Usage: "work with rules of what may be connected to",
	Commands: []cli.Command[*config.Requester]{
		{
			Name:      "test",
			Usage:     "say whether a target is allowed, and which rule decides; exits with 1 if it is not",
			Args:      []string{"HOST:PORT"},
			Flags:     []cli.Flag{{Name: "lookup", Help: "look a name up, as a requester does, and judge its addresses"}},
			Settings:  rulesOf,
			Stateless: true,
			Do:        testPolicy,
		},
		{
			Name:  "import",
			Usage: "convert a list of Nym's requesters, or an exit policy of Tor, into rules for --allowlist",
			Args:  []string{"FILE"},
			Free:  true,
			Do:    importPolicy,
		},
		{
			Name:  "presets",
			Usage: `list the presets: lists of rules that a rule such as "preset web" stands for`,
			Free:  true,
			Do:    listPresets,
		},
		{
			Name:  "preset",
			Usage: "print the rules of a preset",
			Args:  []string{"NAME"},
			Free:  true,
			Do:    printPreset,
		},
		{
			Name:     "refused",
			Usage:    "list the targets that the rules refused, where requester.keep_refused has them written down",
			Settings: []string{},
			Do:       listRefused,
		},
		{
			Name:      "allow",
			Usage:     "add a rule for a target to the allowlist, which a running requester reads again",
			Args:      []string{"HOST:PORT"},
			Settings:  rulesOf,
			Stateless: true,
			Do:        allowTarget,
		},
	},
}}

// importPolicy prints the rules of a file as ours, and in comments before them how
// it was read. The output is a file for --allowlist.
func importPolicy(c *cli.Call[*config.Requester]) ([]cli.Detail, error) {
	f, err := os.Open(c.Args[0])
	if err != nil {
		return nil, cli.Invalid("%v", err)
	}
	defer f.Close()
	im, err := allowlist.Import(f)
	if err != nil {
		return nil, cli.Invalid("%s: %v", c.Args[0], err)
	}
	fmt.Fprintf(c.Out(), "# read as %v\n# %s\n", im.Kind, im.List.Describe())
	for _, note := range im.Notes {
		fmt.Fprintf(c.Out(), "# %s\n", note)
	}
	_, err = fmt.Fprint(c.Out(), im.List)
	return nil, err
}

// listPresets prints a line about each preset: the first of its text.
func listPresets(*cli.Call[*config.Requester]) ([]cli.Detail, error) {
	var facts []cli.Detail
	for _, name := range allowlist.Presets() {
		text, err := allowlist.PresetText(name)
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(text, "\n")
		facts = append(facts, cli.Detail{Name: name, Value: strings.TrimSuffix(strings.TrimPrefix(first, "# "), ".")})
	}
	return facts, nil
}

func printPreset(c *cli.Call[*config.Requester]) ([]cli.Detail, error) {
	text, err := allowlist.PresetText(c.Args[0])
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	_, err = fmt.Fprint(c.Out(), text)
	return nil, err
}

// splitTarget parses HOST:PORT. IPv6 addresses come in brackets.
func splitTarget(text string) (host string, port uint16, err error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 1 {
		return "", 0, cli.Usage("%q has no port; write it like example.org:443", text)
	}
	n, err := strconv.ParseUint(text[colon+1:], 10, 16)
	if err != nil {
		return "", 0, cli.Usage("%q: the port is a number up to 65535", text)
	}
	host = text[:colon]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	} else if strings.Contains(host, ":") {
		return "", 0, cli.Usage("%q: an IPv6 address stands in brackets: [2001:500::1]:443", text)
	}
	return host, uint16(n), nil
}

// testPolicy judges a target by the rules, as the requester of this host does. What
// the network of the settings adds, the addresses of its nodes, is not asked.
func testPolicy(c *cli.Call[*config.Requester]) ([]cli.Detail, error) {
	host, port, err := splitTarget(c.Args[0])
	if err != nil {
		return nil, err
	}
	rules, err := openRules(c.Config.Egress)
	if err != nil {
		return nil, err
	}
	list := rules.Value().Guard(requester.OwnAddresses())
	v := list.Judge(host, netip.Addr{}, port)
	facts := verdict(v)
	if v.Err != nil {
		return facts, fmt.Errorf("%s is refused", c.Args[0])
	}
	switch {
	case !v.ByAddress:
		return facts, nil
	case !c.Has("lookup"):
		return append(facts, cli.Detail{Name: "then", Value: "it is looked up, and each of its addresses is judged too; see --lookup"}), nil
	}
	addrs, err := lookup(c, host)
	if err != nil {
		return facts, err
	}
	allowed := 0
	for _, a := range addrs {
		v := list.Judge(host, a, port)
		if v.Err == nil {
			allowed++
		}
		facts = append(facts, cli.Detail{Name: a.String(), Value: oneLine(v)})
	}
	if allowed == 0 || allowed < len(addrs) && c.Config.Egress.RefuseMixed {
		return facts, fmt.Errorf("%s is refused: %d of its %d addresses are allowed", c.Args[0], allowed, len(addrs))
	}
	return facts, nil
}

// lookup asks for the addresses of a name as the requester does.
func lookup(c *cli.Call[*config.Requester], host string) ([]netip.Addr, error) {
	ask := requester.Lookup(c.Config.Egress.Resolver)
	four, err4 := ask(c.Context(), "ip4", host)
	six, err6 := ask(c.Context(), "ip6", host)
	addrs := append(four, six...)
	switch {
	case len(addrs) > 0:
		return addrs, nil
	case err4 != nil:
		return nil, fmt.Errorf("%s does not resolve: %w", host, err4)
	case err6 != nil:
		return nil, fmt.Errorf("%s does not resolve: %w", host, err6)
	}
	return nil, fmt.Errorf("%s has no addresses", host)
}

// verdict tells a verdict in facts, and oneLine in one.
func verdict(v allowlist.Verdict) []cli.Detail {
	facts := []cli.Detail{{Name: "verdict", Value: "allowed"}}
	if v.Err != nil {
		facts = []cli.Detail{{Name: "verdict", Value: "refused"}, {Name: "because", Value: because(v.Err)}}
	}
	if v.Rule != "" {
		facts = append(facts, cli.Detail{Name: "rule", Value: v.Rule}, cli.Detail{Name: "written at", Value: v.At})
	}
	return facts
}

func oneLine(v allowlist.Verdict) string {
	text := "allowed"
	if v.Err != nil {
		text = "refused: " + because(v.Err)
	}
	if v.Rule != "" {
		text += " (" + v.At + ": " + v.Rule + ")"
	}
	return text
}

// allowTarget appends a rule to the allowlist, if that makes a difference.
func allowTarget(c *cli.Call[*config.Requester]) ([]cli.Detail, error) {
	host, port, err := splitTarget(c.Args[0])
	if err != nil {
		return nil, err
	}
	path := string(c.Config.Egress.Allowlist)
	if path == "" {
		return nil, cli.Invalid("there is no file of rules: say --allowlist FILE, or set requester.allowlist")
	}
	rule := "allow " + c.Args[0]
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return nil, cli.Invalid("%v", err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, cli.Invalid("%v", err)
	}
	text := old
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	text = append(text, rule+"\n"...)
	first, err := allowlist.ParseFlags(c.Config.Egress.Allow)
	if err != nil {
		return nil, cli.Invalid("requester.allow: %v", err)
	}
	before, err := allowlist.Parse(bytes.NewReader(old))
	if err != nil {
		return nil, cli.Invalid("%s: %v", path, err)
	}
	after, err := allowlist.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, cli.Usage("%s: %v", rule, err)
	}
	if before, err = first.Append(before); err == nil {
		after, err = first.Append(after)
	}
	if err != nil {
		return nil, err
	}
	if v := before.Judge(host, netip.Addr{}, port); v.Err == nil {
		return []cli.Detail{{Name: "unchanged", Value: "a rule allows it already, at " + v.At + ": " + v.Rule}}, nil
	}
	if v := after.Judge(host, netip.Addr{}, port); v.Err != nil {
		return nil, fmt.Errorf("a rule at the end would change nothing, since it is refused before: %s", oneLine(v))
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := wholefile.Write(path, text, info.Mode().Perm()); err != nil {
		return nil, err
	}
	return []cli.Detail{{Name: "added", Value: rule}, {Name: "file", Value: path}}, nil
}
