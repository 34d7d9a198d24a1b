package assembly

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/node"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// ClientKeys are the keys that an endpoint needs.
var ClientKeys = []cli.Key{cli.Identity, cli.Encryption, cli.Ack}

// registryFile has what gateways know us by.
const registryFile = "client.db"

// Endpoint makes the Config of an endpoint, but for what it is for. Done closes
// what it opened, when the endpoint has ended.
func Endpoint(c config.Client, ks cli.Keys, s *cli.State, src *Source, log zerolog.Logger) (cfg endpoint.Config, done func() error, err error) {
	records := Records(s)
	gateway, err := namedGateway(c)
	if err != nil {
		return cfg, nil, err
	}
	registry, err := boltstore.OpenClient(s.Path(registryFile))
	if err != nil {
		return cfg, nil, err
	}
	return endpoint.Config{
		Network:       src.Network,
		Store:         records,
		Keys:          endpoint.Keys{Identity: ks.Identity, Encryption: ks.Encryption, Ack: ks.Ack},
		Registrations: registry,
		Gateway:       gateway,
		Traffic: client.Traffic{
			HopDelay:   c.HopDelay.Std(),
			SendEvery:  c.SendEvery.Std(),
			CoverEvery: c.CoverEvery.Std(),
			Size:       c.PacketSize(),
			Version:    sphinx.Version(c.Sphinx),
		},
		NeverStop: c.NeverStop,
		Log:       log,
	}, registry.Close, nil
}

// Requesters reads the addresses of requesters in the settings; none: those of
// the directories.
func Requesters(named config.Requesters) (all []mixnet.Recipient, err error) {
	for _, text := range named.Named() {
		a, err := mixnet.ParseRecipientText(text)
		if err != nil {
			return nil, cli.Invalid("socks.requester: %v", err)
		}
		all = append(all, a)
	}
	return all, nil
}

// Explain makes an error of an endpoint one that says what it is to the caller of
// a program: of state that cannot be used, or one that may pass.
func Explain(err error) error {
	text := func() string { return strings.TrimPrefix(err.Error(), "endpoint: ") }
	switch {
	case errors.Is(err, endpoint.ErrDamaged), errors.Is(err, endpoint.ErrNewer):
		return cli.Invalid("%s", text())
	case errors.Is(err, node.ErrLogLost):
		return cli.Invalid("%s", strings.TrimPrefix(err.Error(), "node: "))
	case errors.Is(err, endpoint.ErrNoRequester):
		return cli.Temporary(errors.New(text() + " (--requester ADDRESS)"))
	}
	return err
}

// Records are those in a state folder.
func Records(s *cli.State) *endpoint.Folder { return endpoint.NewFolder(s.Path(recordsFolder)) }

// recordsFolder has the records, in the state folder.
const recordsFolder = "records"

// namedGateway is the gateway of the settings; zero: there is none.
func namedGateway(c config.Client) (keys.Identity, error) {
	if c.Gateway == "" {
		return keys.Identity{}, nil
	}
	id, err := keys.ParseIdentityText(c.Gateway)
	if err != nil {
		return id, cli.Invalid("client.gateway: %v", err)
	}
	return id, nil
}

// ClientDetails tells who a client is and, once its gateway is known, its address.
func ClientDetails(c config.Client, s *cli.State, ks cli.Keys) ([]cli.Detail, error) {
	d := []cli.Detail{{Name: "identity_key", Value: ks.Identity.Public().String()}}
	gateway, err := namedGateway(c)
	if err != nil {
		return nil, err
	}
	if gateway.IsZero() {
		records := Records(s)
		entries, err := endpoint.LoadEntries(context.Background(), records)
		if err != nil {
			return nil, Explain(err)
		}
		if len(entries.List) == 0 {
			return d, nil
		}
		gateway = entries.List[0].Gateway
	}
	to := mixnet.Recipient{Identity: ks.Identity.Public(), Encryption: ks.Encryption.Public(), Gateway: gateway}
	return append(d, cli.Detail{Name: "address", Value: to.String()}), nil
}

// CheckClient reports what is wrong with settings of a client, and with what they
// name.
func CheckClient(c config.Client, n config.Network) error {
	_, err := namedGateway(c)
	return errors.Join(err, CheckNetwork(n))
}

var gatewaySetting = []string{"client.gateway"}

// GatewayCommands are those that show and change the gateways of an instance. They
// may be given while its program runs, and count when it starts again.
func GatewayCommands[C config.Config](settings func(C) config.Client) cli.Command[C] {
	load := func(c *cli.Call[C]) (*endpoint.Entries, endpoint.Store, error) {
		records := Records(c.State)
		entries, err := endpoint.LoadEntries(context.Background(), records)
		return entries, records, Explain(err)
	}
	change := func(name, usage, done string, do func(*endpoint.Entries, keys.Identity) error) cli.Command[C] {
		return cli.Command[C]{
			Name: name, Usage: usage, Args: []string{"GATEWAY"}, Settings: gatewaySetting,
			Do: func(c *cli.Call[C]) ([]cli.Detail, error) {
				id, err := keys.ParseIdentityText(c.Args[0])
				if err != nil {
					return nil, cli.Usage("%q is no identity of a gateway: %v", c.Args[0], err)
				}
				if fixed := settings(c.Config).Gateway; fixed != "" {
					return nil, cli.Invalid("client.gateway names the one gateway there is; take it out of the settings first")
				}
				entries, records, err := load(c)
				if err != nil {
					return nil, err
				}
				if err := do(entries, id); err != nil {
					return nil, errors.New(strings.TrimPrefix(err.Error(), "endpoint: "))
				}
				if err := entries.Save(context.Background(), records); err != nil {
					return nil, err
				}
				return []cli.Detail{{Name: done, Value: id.String()}, {Name: "with", Value: "the next start"}}, nil
			},
		}
	}
	list := func(c *cli.Call[C]) (facts []cli.Detail, err error) {
		if fixed := settings(c.Config).Gateway; fixed != "" {
			return []cli.Detail{{Name: fixed, Value: "the one of the settings"}}, nil
		}
		entries, _, err := load(c)
		if err != nil {
			return nil, err
		}
		for i, g := range entries.List {
			what := "fallback"
			if i == 0 {
				what = "preferred"
			}
			if !g.Missing.IsZero() {
				what += ", not in the network since " + g.Missing.Format("2006-01-02 15:04 MST")
			}
			facts = append(facts, cli.Detail{Name: g.Gateway.String(), Value: what})
		}
		return facts, nil
	}
	return cli.Command[C]{
		Name: "gateways", Usage: "show and change the gateways of the instance",
		Commands: slices.Insert([]cli.Command[C]{
			change("add", "add a fallback", "added", (*endpoint.Entries).Add),
			change("use", "make one the preferred gateway", "preferred", (*endpoint.Entries).Use),
			change("remove", "take one out", "removed", (*endpoint.Entries).Remove),
		}, 0, cli.Command[C]{Name: "list", Usage: "print them, the preferred one first", Settings: gatewaySetting, Do: list}),
	}
}
