package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/broadcast/chain"
	"nym-socks5/mixnet"
)

// A Node is the node of a chain, as [chain.Node] is.
type Node interface {
	Send(ctx context.Context, tx []byte, h broadcast.Hash) (chain.Outcome, error)
	Check(ctx context.Context, tx []byte, h broadcast.Hash) (chain.Outcome, error)
	Look(ctx context.Context, h broadcast.Hash) (chain.Sight, error)
}

// A Chain is one that is served.
type Chain struct {
	broadcast.Chain
	Node Node
}

// Config is what a Service is made of.
type Config struct {
	// Messenger brings requests, and takes answers. Required.
	Messenger mixnet.Messenger
	// Store keeps what must not be forgotten. Required.
	Store Store
	// Chains are those that are served, each under a name of its own. At least one.
	Chains []Chain

	// Delay is the mean of the random time before a transaction is broadcast, unless
	// its sender asks for another; zero: none. At most [broadcast.MaxDelay].
	Delay time.Duration
	// RetryFor is how long a node is asked again that gives no answer. If zero, it is
	// asked once.
	RetryFor time.Duration
	// KeepFor is how long outcomes are remembered. If zero, it is 30 days.
	KeepFor time.Duration
	// KeepBytes bounds what of them is kept. If zero, it is 256 MiB.
	KeepBytes int64
	// QueueBytes bounds the transactions that wait, of all. If zero, it is 64 MiB.
	QueueBytes int64
	// MaxTx is the size in bytes of the largest transaction. If zero, it is 512 KiB.
	MaxTx int
	// PerMinute is how many requests one tag may make in a minute. If zero, it is 30.
	PerMinute int
	// PerSecond is how many requests of all are taken in a second, half as many again
	// from newcomers. If zero, it is 50.
	PerSecond int
	// Calls is how many questions a node is asked at a time. If zero, it is 4.
	Calls int

	// Log receives the log. The zero Logger drops everything.
	Log zerolog.Logger
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Messenger == nil || c.Store == nil:
		return c, errors.New("service: a Messenger and a Store are needed")
	case len(c.Chains) == 0 || len(c.Chains) > broadcast.MaxChains:
		return c, fmt.Errorf("service: %d chains; there can be 1 to %d", len(c.Chains), broadcast.MaxChains)
	case c.Delay < 0 || c.Delay > broadcast.MaxDelay || c.MaxTx > broadcast.MaxTx:
		return c, errors.New("service: Delay or MaxTx is out of range")
	}
	if c.KeepFor == 0 {
		c.KeepFor = 30 * 24 * time.Hour
	}
	if c.KeepBytes == 0 {
		c.KeepBytes = 256 << 20
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = 64 << 20
	}
	if c.MaxTx == 0 {
		c.MaxTx = 512 << 10
	}
	if c.PerMinute == 0 {
		c.PerMinute = 30
	}
	if c.PerSecond == 0 {
		c.PerSecond = 50
	}
	if c.Calls == 0 {
		c.Calls = 4
	}
	c.Log = c.Log.With().Str("component", "broadcaster").Logger()
	return c, nil
}
