package config

import (
	"errors"
	"time"
)

// Broadcasting is what a broadcaster does for strangers.
type Broadcasting struct {
	Chains    []string `toml:"chains" flag:"chain" arg:"LINE" help:"node of a chain: NAME KIND URL, and where needed credentials=FILE ca=FILE id=NUMBER type=MEDIATYPE; KIND is bitcoin, ethereum, monero or post; may be repeated"`
	Delay     Duration `toml:"delay" flag:"delay" arg:"TIME" help:"mean of the random time that a transaction waits, unless its sender asks for another; off: none"`
	RetryFor  Duration `toml:"retry_for" arg:"TIME" help:"how long a node that gives no answer is asked again; off: not at all"`
	Timeout   Duration `toml:"timeout" arg:"TIME" help:"how long one answer of a node may take"`
	Calls     int      `toml:"max_calls" arg:"N" help:"most questions to one node at a time"`
	MaxTx     Size     `toml:"max_transaction" arg:"SIZE" help:"size of the largest transaction"`
	PerMinute int      `toml:"max_requests_per_minute" arg:"N" help:"most requests of one sender tag in a minute"`
	PerSecond int      `toml:"max_requests_per_second" arg:"N" help:"most requests of all in a second; half as many more from those who asked for nothing lately"`
	Queue     Size     `toml:"queue" arg:"SIZE" help:"most bytes of transactions that wait; one sender tag may have half of what is left"`
	KeepFor   Duration `toml:"keep_for" arg:"TIME" help:"how long it is remembered what a node took; a transaction that comes again within that time is not broadcast again"`
	Keep      Size     `toml:"keep" arg:"SIZE" help:"most bytes of what is remembered; refusals go first, then the oldest"`
}

// Broadcaster is the settings of a broadcaster.
type Broadcaster struct {
	Base
	Broadcast Broadcasting `toml:"broadcaster"`
	Client    Client       `toml:"client"`
}

// NewBroadcaster gives the defaults.
func NewBroadcaster() *Broadcaster {
	return &Broadcaster{
		Base:   newBase(),
		Client: newClient(),
		Broadcast: Broadcasting{
			Delay:     Off,
			RetryFor:  Duration(time.Hour),
			Timeout:   Duration(30 * time.Second),
			Calls:     4,
			MaxTx:     512 << 10,
			PerMinute: 30,
			PerSecond: 50,
			Queue:     64 << 20,
			KeepFor:   Duration(30 * 24 * time.Hour),
			Keep:      256 << 20,
		},
	}
}

// Check implements [Config]. It does not read the lines of chains: the program does.
func (c *Broadcaster) Check() error {
	b := c.Broadcast
	unlessOff := func(key string, d, low, high Duration) error {
		if d == Off {
			return nil
		}
		return between(key, d, low, high)
	}
	return errors.Join(
		c.Log.check(),
		c.Network.check(),
		c.Client.check(),
		unlessOff("broadcaster.delay", b.Delay, Duration(time.Second), Duration(24*time.Hour)),
		unlessOff("broadcaster.retry_for", b.RetryFor, Duration(time.Second), Duration(30*24*time.Hour)),
		between("broadcaster.timeout", b.Timeout, Duration(time.Second), Duration(10*time.Minute)),
		between("broadcaster.max_calls", b.Calls, 1, 64),
		between("broadcaster.max_transaction", b.MaxTx, 1<<10, 4<<20),
		between("broadcaster.max_requests_per_minute", b.PerMinute, 1, 100_000),
		between("broadcaster.max_requests_per_second", b.PerSecond, 1, 100_000),
		between("broadcaster.queue", b.Queue, 4*b.MaxTx, 16<<30),
		between("broadcaster.keep_for", b.KeepFor, Duration(time.Hour), Duration(10*365*24*time.Hour)),
		between("broadcaster.keep", b.Keep, 1<<20, 1<<40),
	)
}

// Missing implements [Config].
func (c *Broadcaster) Missing() error {
	var err error
	if len(c.Broadcast.Chains) == 0 {
		err = invalid(`the broadcaster has no node: say --chain "bitcoin bitcoin http://127.0.0.1:8332/ credentials=FILE"`)
	}
	return errors.Join(c.Network.missing(), err)
}
