package config

import (
	"errors"
	"net/netip"
	"net/url"
)

// WebSocket is the port where other programs use the client.
type WebSocket struct {
	Listen         netip.AddrPort `toml:"listen" flag:"listen" arg:"ADDR" help:"IP and port where programs connect, by WebSocket"`
	BeyondLoopback bool           `toml:"beyond_loopback" help:"let listen be an address that other machines reach; whoever reaches it reads all messages and speaks for the client, unless there is a token"`
	Hosts          []string       `toml:"hosts" flag:"host" arg:"NAME" help:"names under which programs reach the port, beside its address; may be repeated"`
	Origins        []string       `toml:"origins" flag:"origin" arg:"ORIGIN" help:"web pages that may connect, such as http://localhost:3000; may be repeated. Others may not; programs, which have no origin or that of this port, always may"`
	Token          Path           `toml:"token" flag:"token-file" arg:"FILE" help:"file with a text that programs must show: in the header Authorization: Bearer TEXT, or as ?token=TEXT behind the URL. If empty, none is needed"`
	MaxPeers       int            `toml:"max_connections" arg:"N" help:"most programs connected at a time"`
	Keep           Size           `toml:"keep" arg:"SIZE" help:"most bytes of messages kept while no program is connected; the oldest go first"`
	KeepOnDisk     bool           `toml:"keep_on_disk" flag:"keep-on-disk" help:"keep them in the state folder, sealed, so that they survive a restart; else in memory"`
}

// NymClient is the settings of nym-client.
type NymClient struct {
	Base
	WebSocket WebSocket `toml:"websocket"`
	Client    Client    `toml:"client"`
}

// NewNymClient gives the defaults.
func NewNymClient() *NymClient {
	return &NymClient{
		Base:   newBase(),
		Client: newClient(),
		WebSocket: WebSocket{
			Listen:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1977),
			Hosts:    []string{"localhost"},
			MaxPeers: 64,
			Keep:     32 << 20,
		},
	}
}

// Check implements [Config].
func (c *NymClient) Check() error {
	return errors.Join(
		c.Log.check(),
		c.Ops.check(),
		c.Network.check(),
		c.WebSocket.check(),
		c.Client.check(),
	)
}

func (w WebSocket) check() error {
	if err := listening("websocket.listen", w.Listen); err != nil {
		return err
	}
	if !w.Listen.Addr().Unmap().IsLoopback() && !w.BeyondLoopback {
		return invalid("websocket.listen is %v, which other machines can reach: set websocket.beyond_loopback (--beyond-loopback) if you mean it", w.Listen)
	}
	var all error
	for _, o := range w.Origins {
		if u, err := url.Parse(o); err != nil || u.Scheme == "" || u.Host == "" || o != u.Scheme+"://"+u.Host {
			all = errors.Join(all, invalid("websocket.origins: %q is no origin; write it like http://localhost:3000", o))
		}
	}
	return errors.Join(all,
		between("websocket.max_connections", w.MaxPeers, 1, 1<<16),
		between("websocket.keep", w.Keep, 1<<20, 16<<30),
	)
}

// Missing implements [Config].
func (c *NymClient) Missing() error { return c.Network.missing() }
