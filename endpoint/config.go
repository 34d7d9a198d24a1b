package endpoint

import (
	"errors"

	"github.com/rs/zerolog"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/proxy"
)

// Config is what an Endpoint is made of.
type Config struct {
	// Network says which nodes there are. It is for this endpoint alone, which runs
	// it. Required.
	Network *Network
	// Store keeps what makes the endpoint the same one after a restart. If nil, it
	// is in memory.
	Store Store
	// Keys are the endpoint's keys. If its fields are nil, keys are drawn the first
	// time and kept in the Store.
	Keys Keys
	// Registrations keeps what gateways know the endpoint by. If nil, the Store does.
	Registrations client.Store
	// Gateway is the one to enter by. If zero, gateways are drawn the first time and
	// kept: up to three or, for an endpoint whose address others know, one.
	Gateway keys.Identity
	// Gateways is through how many gateways at once an endpoint with Egress is reached:
	// the Gateway, if one is named, and others that are drawn and kept. If zero, it is
	// one; the most are three.
	Gateways int
	// SecureGateways allows only gateways that are reached by TLS, as browsers do for a
	// page that came by it. Run fails with [ErrInsecure] if none is.
	SecureGateways bool

	// Requesters connect to targets for Dial and DialContext. Each isolation key has
	// one drawn among the fast ones, and another when that does not answer. Several
	// addresses with one encryption key are one requester.
	Requesters []mixnet.Recipient
	// ListedRequesters has three drawn from those that the Network lists, if no
	// Requesters are named. They are kept.
	ListedRequesters bool
	// Peers takes in the streams of other endpoints, for Listen.
	Peers bool
	// Egress takes in the streams to targets that strangers ask for, for Accept.
	Egress bool
	// Messages leaves messages that arrive to the caller, who reads them from the
	// Messenger. Then there are no streams but, with Peers, those of DialAddress and
	// Listen: what belongs to them is told from messages, and while 16 MiB of messages
	// wait to be read, they wait too.
	Messages bool

	// Traffic says how packets look and when they leave. The zero Traffic is that of
	// Nym's own clients.
	Traffic client.Traffic
	// NeverStop sends messages even while hardly any cover comes home (H39).
	NeverStop bool
	// Streams says how streams behave. What follows from the rest of the Config is
	// filled in.
	Streams proxy.Config
	// Dial connects to gateways, at an IP address whatever their name. If nil, it is
	// a net.Dialer. In a browser it is not used, and the browser looks names up.
	Dial session.DialFunc
	// Log receives the endpoint's log. The zero Logger drops everything.
	Log zerolog.Logger
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Network == nil:
		return c, errors.New("endpoint: no network")
	case !haveStreams && (!c.Messages || c.Peers):
		return c, errors.New("endpoint: streams are asked for, and the program was built with the tag messages, without them")
	case c.Messages && (c.Egress || c.leaves()):
		return c, errors.New("endpoint: messages of the caller's own and streams to targets exclude each other")
	case (c.Keys.Identity == nil) != (c.Keys.Encryption == nil) || (c.Keys.Identity == nil) != (c.Keys.Ack == nil):
		return c, errors.New("endpoint: all keys are given, or none")
	}
	if c.Store == nil {
		c.Store = NewMemoryStore()
	}
	if c.Registrations == nil {
		c.Registrations = registrations{c.Store}
	}
	if c.Dial == nil {
		c.Dial = defaultDial()
	}
	c.Streams.Serve = c.Peers || c.Egress
	c.Streams.Log = c.Log
	c.Log = c.Log.With().Str("component", "endpoint").Logger()
	return c, nil
}

// leaves reports whether the endpoint reaches targets through requesters.
func (c *Config) leaves() bool { return len(c.Requesters) > 0 || c.ListedRequesters }

// reachable reports whether others know the endpoint's address, which has its
// gateway in it.
func (c *Config) reachable() bool { return c.Messages || c.Peers || c.Egress }
