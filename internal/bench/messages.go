package bench

import (
	"context"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/wsapi"
	"nym-socks5/mixnet/wsapi/wsclient"
)

// The figures of messages: programs that use a client over its WebSocket port, beside
// one that uses it as a library. Each waits until its message is acknowledged before
// it sends the next.
var messageFigures = []Figure{
	{
		Name: "message until it is acknowledged, WebSocket beside library, p50", Unit: "ms", Goal: AtMostTimes(1.5),
		Measure: func(l *Lab) (Value, error) {
			return l.messages(func(m messagesMeasured) Value { return m.latency })
		},
	},
	{
		Name: "messages of 10 bytes, 16 programs, WebSocket beside library", Unit: "messages/s", Goal: AtLeastTimes(0.5),
		Measure: func(l *Lab) (Value, error) { return l.messages(func(m messagesMeasured) Value { return m.small }) },
	},
	{
		Name: "messages of 1 MB, 4 programs, WebSocket beside library", Unit: "MB/s", Goal: AtLeastTimes(0.8),
		Measure: func(l *Lab) (Value, error) { return l.messages(func(m messagesMeasured) Value { return m.large }) },
	},
}

// What is sent for one figure.
const (
	latencyMessages = 200
	smallPrograms   = 16
	smallMessages   = 1600
	largePrograms   = 4
	largeMessages   = 24
	largeSize       = 1_000_000
)

// messagesMeasured is what one run gives: that of the port, and of the library.
type messagesMeasured struct{ latency, small, large Value }

func (l *Lab) messages(figure func(messagesMeasured) Value) (Value, error) {
	m, err := once(l, "messages", func() (messagesMeasured, error) {
		return in(l.ctx, client.Fast(), measureMessages)
	})
	return figure(m), err
}

// A messageBench is a client with a port, and another that takes what comes.
type messageBench struct {
	near *client.Client
	far  mixnet.Recipient
	url  string
}

func measureMessages(w *world) (m messagesMeasured, err error) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	var ends [2]*client.Client
	for i := range ends {
		at := w.Topology().Gateways()[i].Identity
		if ends[i], err = w.NewClient(client.Config{Entries: []client.Entry{{Gateway: at}}, Traffic: client.Fast()}); err != nil {
			return m, err
		}
		g.Go(func() error { return ends[i].Run(ctx) })
	}
	server, err := wsapi.New(wsapi.Config{Messenger: ends[0]})
	if err != nil {
		return m, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return m, err
	}
	g.Go(func() error { return server.Run(ctx, ln) })
	g.Go(func() error {
		for {
			if _, err := ends[1].Receive(ctx); err != nil {
				return nil // the end
			}
		}
	})
	g.Go(func() error {
		defer cancel()
		for _, c := range ends {
			select {
			case <-c.Ready():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var err error
		m, err = (&messageBench{ends[0], ends[1].Address(), "ws://" + ln.Addr().String()}).all(ctx)
		return err
	})
	return m, g.Wait()
}

func (b *messageBench) all(ctx context.Context) (m messagesMeasured, err error) {
	small, large := make([]byte, 10), make([]byte, largeSize)
	if _, err := b.times(ctx, 10, 1, small, true); err != nil { // which opens the links
		return m, err
	}
	for _, c := range []struct {
		v    *float64
		port bool
	}{{&m.latency.Measured, true}, {&m.latency.Yardstick, false}} {
		all, err := b.times(ctx, latencyMessages, 1, small, c.port)
		if err != nil {
			return m, err
		}
		slices.Sort(all)
		*c.v = quantile(all, 0.5)
	}
	for _, c := range []struct {
		rate        *float64
		n, programs int
		body        []byte
		unit        float64
		port        bool
	}{
		{&m.small.Measured, smallMessages, smallPrograms, small, 1, true},
		{&m.small.Yardstick, smallMessages, smallPrograms, small, 1, false},
		{&m.large.Measured, largeMessages, largePrograms, large, largeSize / 1e6, true},
		{&m.large.Yardstick, largeMessages, largePrograms, large, largeSize / 1e6, false},
	} {
		began := time.Now()
		if _, err := b.times(ctx, c.n, c.programs, c.body, c.port); err != nil {
			return m, err
		}
		*c.rate = float64(c.n) * c.unit / time.Since(began).Seconds()
	}
	return m, nil
}

// times sends n messages by so many programs at once, over the port or not, and gives
// how long each took.
func (b *messageBench) times(ctx context.Context, n, programs int, body []byte, port bool) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	g, ctx := errgroup.WithContext(ctx)
	for p := range programs {
		g.Go(func() error {
			send, done, err := b.program(ctx, mixnet.Lane(p), port)
			if err != nil {
				return err
			}
			defer done()
			for i := p; i < n; i += programs {
				began := time.Now()
				if err := send(body); err != nil {
					return err
				}
				took[i] = time.Since(began)
			}
			return nil
		})
	}
	return took, g.Wait()
}

// program gives what sends a message and waits until it is acknowledged.
func (b *messageBench) program(ctx context.Context, lane mixnet.Lane, port bool) (send func([]byte) error, done func() error, err error) {
	if port {
		c, err := wsclient.Dial(ctx, b.url, wsclient.Options{})
		if err != nil {
			return nil, nil, err
		}
		to := b.far.String()
		return func(body []byte) error { return c.Send(ctx, wsclient.Message{To: to, Body: body}) }, c.Close, nil
	}
	acknowledged := make(chan error, 1)
	o := mixnet.SendOptions{Lane: lane, Done: func(err error) { acknowledged <- err }}
	return func(body []byte) error {
		if err := b.near.Send(ctx, b.far, body, o); err != nil {
			return err
		}
		select {
		case err := <-acknowledged:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}, func() error { return nil }, nil
}
