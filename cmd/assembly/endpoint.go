package assembly

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"net"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/proxy"
)

// ClientKeys are the keys that a Client needs.
var ClientKeys = []cli.Key{cli.Identity, cli.Encryption, cli.Ack}

// Files of a client's state folder.
const (
	gatewayFile  = "gateway"   // the gateway that was drawn
	registryFile = "client.db" // what gateways know us by
)

// refresh is how often a client asks its Source, which has the picture at hand:
// often enough that a change of Sphinx keys is followed at once.
const refresh = time.Second

// A Client is a client of the mixnet, with the file in which it remembers.
type Client struct {
	Messenger *client.Client
	store     *boltstore.Client
}

// ClientConfig is what a Client is made of.
type ClientConfig struct {
	Client config.Client
	Keys   cli.Keys
	State  *cli.State
	Source *Source
	// SolicitedOnly drops what strangers send. Nobody needs to know the address
	// of such a client, so it may have several entries, unless its settings name one
	// gateway.
	SolicitedOnly bool
	Log           zerolog.Logger
}

// NewClient makes a client. The first time it waits for a picture of the
// network, to draw a gateway from.
func NewClient(ctx context.Context, cfg ClientConfig) (*Client, error) {
	at, err := chooseHomes(ctx, cfg)
	if err != nil {
		return nil, err
	}
	store, err := boltstore.OpenClient(cfg.State.Path(registryFile))
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{
		Entries:    at,
		Encryption: cfg.Keys.Encryption,
		Ack:        cfg.Keys.Ack,
		Store:      store,
		Topology:   cfg.Source.Network,
		Refresh:    refresh,
		Dial: func(ctx context.Context, url string) (session.MessageConn, error) {
			return session.Dial(ctx, url, dialGateways(cfg.Source.Current, new(net.Dialer).DialContext))
		},
		Traffic: client.Traffic{
			HopDelay:   cfg.Client.HopDelay.Std(),
			SendEvery:  cfg.Client.SendEvery.Std(),
			CoverEvery: cfg.Client.CoverEvery.Std(),
			Size:       cfg.Client.PacketSize(),
			Version:    sphinx.Version(cfg.Client.Sphinx),
		},
		SolicitedOnly: cfg.SolicitedOnly,
		NeverStop:     cfg.Client.NeverStop,
		Log:           cfg.Log,
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &Client{Messenger: c, store: store}, nil
}

// An Endpoint is a client of the mixnet with streams over it.
type Endpoint struct {
	*Client
	Proxy *proxy.Proxy
}

// NewEndpoint makes an endpoint, whose client is as [NewClient] says.
func NewEndpoint(ctx context.Context, cfg ClientConfig, streams proxy.Config) (*Endpoint, error) {
	c, err := NewClient(ctx, cfg)
	if err != nil {
		return nil, err
	}
	streams.Log, streams.Packet = cfg.Log, cfg.Client.PacketSize()
	return &Endpoint{Client: c, Proxy: proxy.New(c.Messenger, streams)}, nil
}

// chooseHomes gives the gateways of a client, the preferred one first.
func chooseHomes(ctx context.Context, cfg ClientConfig) ([]client.Entry, error) {
	if cfg.SolicitedOnly && cfg.Client.Gateway == "" {
		return homes(ctx, cfg)
	}
	gateway, err := chooseGateway(ctx, cfg)
	return []client.Entry{{Gateway: gateway, Identity: cfg.Keys.Identity}}, err
}

// chooseGateway gives the gateway of the settings, or the one that was drawn
// when the profile was new.
func chooseGateway(ctx context.Context, cfg ClientConfig) (keys.Identity, error) {
	known, err := KnownGateway(cfg.Client, cfg.State)
	if err != nil || !known.IsZero() {
		return known, err
	}
	network, err := cfg.Source.Network(ctx)
	if err != nil {
		return keys.Identity{}, err
	}
	text, err := cfg.State.Remember(gatewayFile, func() (string, error) { return drawGateway(network) })
	if err != nil {
		return keys.Identity{}, err
	}
	return keys.ParseIdentityText(text)
}

func drawGateway(n *topology.Network) (string, error) {
	open := openGateways(n)
	if len(open) == 0 {
		return "", errors.New("assembly: no gateway of the network takes clients")
	}
	return draw(open)
}

// draw draws one of several uniformly; there is at least one.
func draw(from []string) (string, error) {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
	if err != nil {
		return "", err
	}
	return from[i.Int64()], nil
}

// KnownGateway gives the gateway that was chosen; zero if none was yet.
func KnownGateway(c config.Client, s *cli.State) (keys.Identity, error) {
	text := c.Gateway
	if text == "" {
		var err error
		if text, err = s.ReadText(gatewayFile); err != nil || text == "" {
			return keys.Identity{}, err
		}
	}
	id, err := keys.ParseIdentityText(text)
	if err != nil {
		return id, cli.Invalid("client.gateway: %v", err)
	}
	return id, nil
}

// Recipient is the address of a client with these keys.
func Recipient(ks cli.Keys, gateway keys.Identity) mixnet.Recipient {
	return mixnet.Recipient{Identity: ks.Identity.Public(), Encryption: ks.Encryption.Public(), Gateway: gateway}
}

// ClientDetails tells who a client is and, once its gateway is known, its address.
func ClientDetails(c config.Client, s *cli.State, ks cli.Keys) ([]cli.Detail, error) {
	gateway, err := KnownGateway(c, s)
	if err != nil {
		return nil, err
	}
	d := []cli.Detail{{Name: "identity_key", Value: ks.Identity.Public().String()}}
	if !gateway.IsZero() {
		d = append(d, cli.Detail{Name: "address", Value: Recipient(ks, gateway).String()})
	}
	return d, nil
}

// CheckClient reports what is wrong with settings of a client, and with what they
// name.
func CheckClient(c config.Client, n config.Network) error {
	if c.Gateway != "" {
		if _, err := keys.ParseIdentityText(c.Gateway); err != nil {
			return cli.Invalid("client.gateway: %v", err)
		}
	}
	return CheckNetwork(n)
}

// Run runs the client and the service above it until ctx ends. The client goes
// last: services say goodbye through it. connected is called once, when the
// client has reached its gateway for the first time.
func (c *Client) Run(ctx context.Context, service func(context.Context) error, connected func()) error {
	below, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var base errgroup.Group
	above, ctx := errgroup.WithContext(ctx)
	base.Go(func() error {
		err := c.Messenger.Run(below)
		if err == nil && below.Err() == nil {
			err = errors.New("the client ended by itself")
		}
		return err
	})
	base.Go(func() error {
		changes(below, ownAddrs, wallClock, c.Messenger.NetworkChanged)
		return nil
	})
	above.Go(func() error { return service(ctx) })
	above.Go(func() error {
		select {
		case <-c.Messenger.Ready():
			connected()
		case <-ctx.Done():
		}
		return nil
	})
	err := above.Wait()
	stop()
	return errors.Join(err, base.Wait(), c.store.Close())
}

// Close ends a client that never ran, because of an error, which it gives back.
func (c *Client) Close(why error) error { return errors.Join(why, c.store.Close()) }

// Run runs the service and the streams below it until ctx ends, as [Client.Run] does.
func (e *Endpoint) Run(ctx context.Context, service func(context.Context) error, connected func()) error {
	return e.Client.Run(ctx, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return service(ctx) })
		g.Go(func() error { return e.Proxy.Run(ctx) })
		return g.Wait()
	}, connected)
}
