package assembly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// Rules for the gateways of a client that may change them (H26).
const (
	maxHomes     = client.MaxEntries
	maxTried     = 10                  // gateways drawn
	triedWithin  = 30 * 24 * time.Hour // in this time
	missingAfter = 7 * 24 * time.Hour  // out of the topology for so long, a gateway is replaced
)

// homesFile has them.
const homesFile = "gateways"

// Homes are the gateways of a client, in the order of preference, each with the
// identity by which it knows the client. All are drawn when the profile is new,
// and kept: who draws often meets a bad one.
type Homes struct {
	Version int       `json:"version"`
	List    []Home    `json:"gateways"`
	Tried   []Attempt `json:"tried"`
}

// A Home is one of them.
type Home struct {
	Gateway string     `json:"gateway"`
	Key     string     `json:"key"` // file of the identity key, in the state folder
	Missing *time.Time `json:"missing,omitempty"`
}

// An Attempt is a gateway that was drawn once.
type Attempt struct {
	Gateway string    `json:"gateway"`
	At      time.Time `json:"at"`
}

const homesVersion = 1

// LoadHomes reads the file. Where there is none, it gives what the version
// before kept, if anything: one gateway.
func LoadHomes(s *cli.State) (*Homes, error) {
	h := &Homes{Version: homesVersion}
	text, err := s.ReadText(homesFile)
	if err != nil {
		return nil, err
	}
	if text == "" {
		old, err := s.ReadText(gatewayFile)
		if err == nil && old != "" {
			h.List = []Home{{Gateway: old, Key: keyFile(0)}}
		}
		return h, err
	}
	if err := h.parse(text); err != nil {
		return nil, cli.Invalid("%s: %v", s.Path(homesFile), err)
	}
	return h, nil
}

func (h *Homes) parse(text string) error {
	if err := json.Unmarshal([]byte(text), h); err != nil {
		return err
	}
	switch {
	case h.Version > homesVersion:
		return fmt.Errorf("it is of version %d, and this program knows versions up to %d: use a newer program", h.Version, homesVersion)
	case h.Version < 1 || len(h.List) > maxHomes:
		return errors.New("it is no list of gateways")
	}
	for _, g := range h.List {
		if _, err := keys.ParseIdentityText(g.Gateway); err != nil {
			return err
		}
		if !slices.Contains(keyFiles, g.Key) {
			return fmt.Errorf("%q is no file of a key", g.Key)
		}
	}
	return nil
}

// keyFiles are those of the identities: the first is the one that every profile has.
var keyFiles = []string{keyFile(0), keyFile(1), keyFile(2)}

func keyFile(i int) string {
	if i == 0 {
		return "identity.pem"
	}
	return fmt.Sprintf("identity-%d.pem", i+1)
}

// Save writes the file.
func (h *Homes) Save(s *cli.State) error {
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	return s.WriteText(homesFile, string(b))
}

func (h *Homes) index(gateway string) int {
	return slices.IndexFunc(h.List, func(g Home) bool { return g.Gateway == gateway })
}

// Add puts a gateway at the end.
func (h *Homes) Add(gateway string) error {
	switch {
	case h.index(gateway) >= 0:
		return errors.New("it is one of them already")
	case len(h.List) >= maxHomes:
		return fmt.Errorf("there are %d already, and each more is one that may watch: remove one first", maxHomes)
	}
	free := slices.IndexFunc(keyFiles, func(f string) bool {
		return !slices.ContainsFunc(h.List, func(g Home) bool { return g.Key == f })
	})
	h.List = append(h.List, Home{Gateway: gateway, Key: keyFiles[free]})
	return nil
}

// Use puts a gateway first, which need not be one of them yet.
func (h *Homes) Use(gateway string) error {
	if h.index(gateway) < 0 {
		if err := h.Add(gateway); err != nil {
			return err
		}
	}
	i := h.index(gateway)
	g := h.List[i]
	h.List = slices.Insert(slices.Delete(h.List, i, i+1), 0, g)
	return nil
}

// Remove takes a gateway out. Its identity is never used at another one.
func (h *Homes) Remove(gateway string, s *cli.State) error {
	i := h.index(gateway)
	if i < 0 {
		return errors.New("it is none of them")
	}
	if err := s.RenewIdentity(h.List[i].Key); err != nil {
		return err
	}
	h.List = slices.Delete(h.List, i, i+1)
	return nil
}

// fill draws gateways until there are enough, and replaces those that are gone
// for good. It reports whether anything changed.
func (h *Homes) fill(n *topology.Network, s *cli.State, now time.Time) (changed bool, err error) {
	open := openGateways(n)
	for i := len(h.List) - 1; i >= 0; i-- {
		g := &h.List[i]
		switch {
		case slices.Contains(open, g.Gateway):
			changed = changed || g.Missing != nil
			g.Missing = nil
		case g.Missing == nil:
			g.Missing, changed = &now, true
		case now.Sub(*g.Missing) > missingAfter:
			if err := h.Remove(g.Gateway, s); err != nil {
				return changed, err
			}
			changed = true
		}
	}
	h.Tried = slices.DeleteFunc(h.Tried, func(a Attempt) bool { return now.Sub(a.At) > triedWithin })
	for len(h.List) < maxHomes && len(h.Tried) < maxTried {
		fresh := slices.DeleteFunc(slices.Clone(open), func(g string) bool { return h.index(g) >= 0 })
		if len(fresh) == 0 {
			break
		}
		g, err := draw(fresh)
		if err != nil {
			return changed, err
		}
		if err := h.Add(g); err != nil {
			return changed, err
		}
		h.Tried, changed = append(h.Tried, Attempt{g, now}), true
	}
	if len(h.List) == 0 {
		return changed, errors.New("assembly: no gateway of the network takes clients")
	}
	return changed, nil
}

// openGateways lists the gateways that take clients.
func openGateways(n *topology.Network) (open []string) {
	for _, g := range n.Gateways() {
		if g.Clients != "" {
			open = append(open, g.Identity.String())
		}
	}
	return open
}

// homes gives the gateways of a client that may change them, with its identities.
func homes(ctx context.Context, cfg ClientConfig) (all []client.Entry, err error) {
	h, err := LoadHomes(cfg.State)
	if err != nil {
		return nil, err
	}
	n, err := cfg.Source.Network(ctx) // waits for the first picture
	if err != nil {
		return nil, err
	}
	changed, err := h.fill(n, cfg.State, time.Now().UTC().Truncate(time.Second))
	if err == nil && changed {
		err = h.Save(cfg.State)
	}
	if err != nil {
		return nil, err
	}
	for _, g := range h.List {
		gateway, err := keys.ParseIdentityText(g.Gateway)
		if err != nil {
			return nil, err
		}
		identity, err := cfg.State.Identity(g.Key)
		if err != nil {
			return nil, err
		}
		all = append(all, client.Entry{Gateway: gateway, Identity: identity})
	}
	return all, nil
}

// GatewayCommands are those that show and change the gateways of a profile. They
// may be given while its program runs, and count when it starts again.
func GatewayCommands[C config.Config](settings func(C) config.Client) cli.Command[C] {
	change := func(name, usage, done string, do func(*Homes, *cli.State, string) error) cli.Command[C] {
		return cli.Command[C]{
			Name: name, Usage: usage, Args: []string{"GATEWAY"},
			Do: func(c *cli.Call[C]) ([]cli.Detail, error) {
				id, err := keys.ParseIdentityText(c.Args[0])
				if err != nil {
					return nil, cli.Usage("%q is no identity of a gateway: %v", c.Args[0], err)
				}
				if fixed := settings(c.Config).Gateway; fixed != "" {
					return nil, cli.Invalid("client.gateway names the one gateway there is; take it out of the settings first")
				}
				h, err := LoadHomes(c.State)
				if err != nil {
					return nil, err
				}
				if err := do(h, c.State, id.String()); err != nil {
					return nil, err
				}
				if err := h.Save(c.State); err != nil {
					return nil, err
				}
				return []cli.Detail{{Name: done, Value: id.String()}, {Name: "with", Value: "the next start"}}, nil
			},
		}
	}
	return cli.Command[C]{
		Name: "gateways", Usage: "show and change the gateways of the profile",
		Commands: []cli.Command[C]{{
			Name: "list", Usage: "print them, the preferred one first",
			Do: func(c *cli.Call[C]) (facts []cli.Detail, err error) {
				if fixed := settings(c.Config).Gateway; fixed != "" {
					return []cli.Detail{{Name: fixed, Value: "the one of the settings"}}, nil
				}
				h, err := LoadHomes(c.State)
				if err != nil {
					return nil, err
				}
				for i, g := range h.List {
					what := "fallback"
					if i == 0 {
						what = "preferred"
					}
					if g.Missing != nil {
						what += ", not in the network since " + g.Missing.Format(time.RFC3339)
					}
					facts = append(facts, cli.Detail{Name: g.Gateway, Value: what})
				}
				return facts, nil
			},
		},
			change("add", "add a fallback", "added", func(h *Homes, _ *cli.State, g string) error { return h.Add(g) }),
			change("use", "make one the preferred gateway", "preferred", func(h *Homes, _ *cli.State, g string) error { return h.Use(g) }),
			change("remove", "take one out", "removed", func(h *Homes, s *cli.State, g string) error { return h.Remove(g, s) }),
		},
	}
}
