package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/boltstore"
	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/topology"
)

// The figures of a gateway that keeps mail on disk.
var mailFigures = []Figure{
	{
		Name: "gateway, mail stored for 64 senders at once, beside plain fsync", Unit: "per s", Goal: AtLeast(3000),
		Measure: measureStoring,
	},
	{
		Name: "gateway, 10 000 stored mails to a client that returns, beside bare TCP", Unit: "s", Goal: AtMost(2),
		Measure: measureHandOver,
	},
}

// How storing is measured: so long, in turn with the yardstick, so often.
const (
	storeSenders = 64
	storeRounds  = 5
	storeTime    = 400 * time.Millisecond
	// storeTick is the gateway's commit tick (docs/decisions/0006): mail that
	// came since the last is stored in one go.
	storeTick = 2 * time.Millisecond
)

// mailSize is what a regular packet brings to its exit's inbox.
var mailSize = mixnet.Regular.Plaintext() - mixnet.AckPrefixSize

// measureStoring lets senders wait for their mail to be on disk, each for its
// own, as the gateway's post does; and in turn syncs a page in a file beside it.
func measureStoring(l *Lab) (v Value, err error) {
	dir, err := os.MkdirTemp("", "nym-bench-")
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := boltstore.OpenGateway(filepath.Join(dir, "gateway.db"), roomy)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	plain, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	var stored, synced []float64
	for range storeRounds {
		n, err := storeMail(l.ctx, store)
		if err != nil {
			return v, err
		}
		stored = append(stored, n)
		if n, err = syncPages(plain); err != nil {
			return v, err
		}
		synced = append(synced, n)
	}
	return Value{Measured: median(stored), Yardstick: median(synced)}, nil
}

var roomy = gateway.Limits{ClientBytes: 1 << 30, TotalBytes: 4 << 30}

// storeMail gives mails a second.
func storeMail(ctx context.Context, store gateway.Inbox) (float64, error) {
	type posted struct {
		mail gateway.Mail
		done chan<- error
	}
	post := make(chan posted, storeSenders) // room for one each
	began := time.Now()
	var n atomic.Int64
	var senders errgroup.Group
	for range storeSenders {
		client := keys.NewIdentityKey().Public()
		message := make([]byte, mailSize)
		rand.Read(message)
		senders.Go(func() error {
			done := make(chan error, 1)
			for time.Since(began) < storeTime {
				post <- posted{gateway.Mail{Client: client, Message: message, Arrived: time.Now()}, done}
				if err := <-done; err != nil {
					return err
				}
				n.Add(1)
			}
			return nil
		})
	}
	var office errgroup.Group
	office.Go(func() error { // as the gateway's post: what came until the tick, then the next
		for p := range post {
			mail, done := []gateway.Mail{p.mail}, []chan<- error{p.done}
			time.Sleep(storeTick)
			for range len(post) {
				p := <-post
				mail, done = append(mail, p.mail), append(done, p.done)
			}
			for i, err := range store.Put(ctx, mail) {
				done[i] <- err
			}
		}
		return nil
	})
	err := senders.Wait()
	took := time.Since(began)
	close(post)
	return float64(n.Load()) / took.Seconds(), errors.Join(err, office.Wait())
}

// syncPages gives how often a second a page can be written and synced.
func syncPages(f *os.File) (float64, error) {
	page := make([]byte, os.Getpagesize())
	began, n := time.Now(), 0
	for ; time.Since(began) < storeTime; n++ {
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// handOver is how much mail waits for the client that returns.
const handOver = 10_000

// measureHandOver stores mail for a client that is registered and away, and
// takes the time from its dialing to the last mail.
func measureHandOver(l *Lab) (v Value, err error) {
	dir, err := os.MkdirTemp("", "nym-bench-")
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := boltstore.OpenGateway(filepath.Join(dir, "gateway.db"), roomy)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	g, err := newLoneGateway(store, store)
	if err != nil {
		return v, err
	}
	err = g.in(l.ctx, func(ctx context.Context) (err error) {
		v.Measured, err = g.handOver(ctx, store)
		return err
	})
	if err != nil {
		return v, err
	}
	v.Yardstick, err = bareTransfer(l.ctx)
	return v, err
}

// A loneGateway is a gateway without a network, for what is between it and its
// clients.
type loneGateway struct {
	*gateway.Server
	identity *keys.IdentityKey
	mix, ws  net.Listener
}

// newLoneGateway opens its ports; nil stores are in memory.
func newLoneGateway(accounts gateway.Accounts, inbox gateway.Inbox) (g *loneGateway, err error) {
	g = &loneGateway{identity: keys.NewIdentityKey()}
	if g.mix, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if g.ws, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, g.mix.Close())
	}
	g.Server, err = gateway.New(gateway.Config{
		Identity: g.identity,
		Accounts: accounts,
		Inbox:    inbox,
		Node: mixnode.Config{
			Keys:     mixnode.Keys{Primary: mixnode.Key{Rotation: mixnode.NoRotation, Key: keys.NewSphinxKey()}},
			Addr:     mixnet.NodeAddrFrom(g.mix.Addr().(*net.TCPAddr).AddrPort()),
			Topology: func() *topology.Network { return nil },
		},
	})
	if err != nil {
		return nil, errors.Join(err, g.mix.Close(), g.ws.Close())
	}
	return g, nil
}

// url is where its clients connect.
func (g *loneGateway) url() string { return urlOf(g.ws.Addr().(*net.TCPAddr).AddrPort()) }

func urlOf(at netip.AddrPort) string { return "ws://" + at.String() }

// in runs a measurement while the gateway runs.
func (g *loneGateway) in(ctx context.Context, measure func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Run(ctx, g.mix, g.ws) })
	group.Go(func() error {
		defer stop()
		return measure(ctx)
	})
	return group.Wait()
}

func (g *loneGateway) handOver(ctx context.Context, store gateway.Inbox) (seconds float64, err error) {
	id := keys.NewIdentityKey()
	conn, err := session.Dial(ctx, g.url(), nil)
	if err != nil {
		return 0, err
	}
	key, _, err := session.Register(ctx, conn, id, g.identity.Public())
	conn.Close(1000, "")
	if err != nil {
		return 0, err
	}
	for range handOver / 100 {
		mail := make([]gateway.Mail, 100)
		for i := range mail {
			mail[i] = gateway.Mail{Client: id.Public(), Message: make([]byte, mailSize), Arrived: time.Now()}
			rand.Read(mail[i].Message)
		}
		if err := errors.Join(store.Put(ctx, mail)...); err != nil {
			return 0, err
		}
	}

	ctx, stop := context.WithTimeout(ctx, handOverPatience)
	defer stop()
	began := time.Now()
	if conn, err = session.Dial(ctx, g.url(), nil); err != nil {
		return 0, err
	}
	got, last := 0, time.Duration(0)
	c, err := session.Authenticate(ctx, conn, id, protocol.NewSealer(key), time.Now(), func(m []byte) {
		if got++; len(m) == mailSize && got == handOver {
			last = time.Since(began)
			stop()
		}
	})
	if err != nil {
		conn.Close(1000, "")
		return 0, err
	}
	if err := c.Run(ctx); err != nil {
		return 0, err
	}
	if last == 0 {
		return 0, fmt.Errorf("the client got %d of %d mails", got, handOver)
	}
	return last.Seconds(), nil
}

// handOverPatience is how long all the mail may take.
const handOverPatience = 30 * time.Second

// bareTransfer is how long as many writes of as many bytes take over loopback TCP.
func bareTransfer(ctx context.Context) (seconds float64, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	var sender errgroup.Group
	sender.Go(func() error {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		message := make([]byte, mailSize)
		for range handOver {
			if _, err := c.Write(message); err != nil {
				return errors.Join(err, c.Close())
			}
		}
		return c.Close()
	})
	began := time.Now()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", ln.Addr().String())
	if err != nil {
		return 0, errors.Join(err, ln.Close(), sender.Wait())
	}
	n, buf := 0, make([]byte, 64<<10)
	for n < handOver*mailSize && err == nil {
		var m int
		m, err = c.Read(buf)
		n += m
	}
	seconds = time.Since(began).Seconds()
	return seconds, errors.Join(err, c.Close(), ln.Close(), sender.Wait())
}
