package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"nym-socks5/config"
	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/wsapi/wsclient"
)

// broadcastCommand asks a broadcaster, through the client that runs.
var broadcastCommand = cli.Command[*config.NymClient]{
	Name: "broadcast", Usage: "have transactions broadcast, and ask what became of them",
	Commands: []cli.Command[*config.NymClient]{
		{
			Name: "send", Usage: "have the transaction broadcast that comes on standard input, in hexadecimal",
			Args: []string{"TO", "CHAIN"}, Settings: portSettings,
			Flags: []cli.Flag{
				{Name: "delay", Arg: "TIME", Help: "mean of the random time that the broadcaster waits, such as 10m; 0s: none. Without it, the broadcaster's own"},
				{Name: "wait", Help: "ask again until it is broadcast, or will not be"},
				timeoutFlag,
			},
			Do: broadcastTx,
		},
		{
			Name: "check", Usage: "ask whether the node would take the transaction that comes on standard input",
			Args: []string{"TO", "CHAIN"}, Settings: portSettings, Flags: []cli.Flag{timeoutFlag},
			Do: func(c *call) ([]cli.Detail, error) { return askWithTx(c, broadcast.Check, nil) },
		},
		{
			Name: "status", Usage: "ask what became of a transaction",
			Args: []string{"TO", "CHAIN", "HASH"}, Settings: portSettings,
			Flags: []cli.Flag{
				{Name: "receipt", Help: "have the node asked too, which tells whether a block has it"},
				{Name: "wait", Help: "ask again until it is broadcast, or will not be"},
				timeoutFlag,
			},
			Do: broadcastStatus,
		},
		{
			Name: "info", Usage: "ask which chains are served",
			Args: []string{"TO"}, Settings: portSettings, Flags: []cli.Flag{timeoutFlag},
			Do: func(c *call) ([]cli.Detail, error) { return askBroadcaster(c, broadcast.Request{Do: broadcast.Info}) },
		},
	},
}

func broadcastTx(c *call) ([]cli.Detail, error) {
	var delay *time.Duration
	if text := c.Flag("delay"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > broadcast.MaxDelay || d%time.Second != 0 {
			return nil, cli.Usage("--delay %q: say a time of whole seconds up to %v, such as 10m", text, broadcast.MaxDelay)
		}
		delay = &d
	}
	return askWithTx(c, broadcast.Broadcast, delay)
}

// askWithTx asks for something about the transaction on standard input.
func askWithTx(c *call, do broadcast.Op, delay *time.Duration) ([]cli.Detail, error) {
	text, err := io.ReadAll(io.LimitReader(c.In(), 2*broadcast.MaxTx+3))
	if err != nil {
		return nil, err
	}
	tx, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"))
	if err != nil || len(tx) == 0 || len(tx) > broadcast.MaxTx {
		return nil, cli.Usage("standard input is no transaction in hexadecimal of up to %d bytes", broadcast.MaxTx)
	}
	return askBroadcaster(c, broadcast.Request{Do: do, Chain: c.Args[1], Tx: tx, Delay: delay})
}

func broadcastStatus(c *call) ([]cli.Detail, error) {
	h, err := broadcast.ParseHash(c.Args[2])
	if err != nil {
		return nil, cli.Usage("%q is no hash of a transaction: it has 64 hexadecimal digits", c.Args[2])
	}
	return askBroadcaster(c, broadcast.Request{Do: broadcast.Status, Chain: c.Args[1], Hash: h, Receipt: c.Has("receipt")})
}

// askBroadcaster asks a broadcaster until it has answered, and tells what it said.
func askBroadcaster(c *call, req broadcast.Request) ([]cli.Detail, error) {
	if req.Do != broadcast.Info && !broadcast.ValidChain(c.Args[1]) {
		return nil, cli.Usage("%q is no name of a chain; nym-client broadcast info TO lists those that are served", c.Args[1])
	}
	ctx, cancel, err := within(c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	q := question{c: c, tag: rand.Text()}
	a, err := q.put(ctx, req)
	for pause := statusFirst; err == nil && a.Result == broadcast.Queued && c.Has("wait"); pause = min(2*pause, statusMost) {
		if err = sleep(ctx, pause); err == nil {
			a, err = q.put(ctx, broadcast.Request{Do: broadcast.Status, Chain: req.Chain, Hash: a.Hash, Receipt: req.Receipt})
		}
	}
	if err != nil {
		return nil, given(c, err, "the broadcaster has not answered")
	}
	return told(a), verdict(a)
}

// A question is put to one broadcaster under a pseudonym of its own, which nothing else
// is asked under.
type question struct {
	c   *call
	tag string
}

// put sends a request, again where no answer comes, and gives the answer.
func (q question) put(ctx context.Context, req broadcast.Request) (broadcast.Answer, error) {
	req.ID = rand.Text()
	body, err := req.AppendBinary(nil)
	if err != nil {
		return broadcast.Answer{}, err
	}
	for {
		trying, cancel := context.WithTimeout(ctx, answerWithin)
		a, err := q.try(trying, req.ID, body)
		cancel()
		switch {
		case err == nil && a.Result == broadcast.Limited && a.After > 0:
			if err := sleep(ctx, a.After); err != nil {
				return a, err
			}
		case err == nil, ctx.Err() != nil, !errors.Is(err, context.DeadlineExceeded):
			return a, err
		}
	}
}

// try sends a request once.
func (q question) try(ctx context.Context, id string, body []byte) (a broadcast.Answer, err error) {
	conn, err := open(ctx, q.c)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	if err := conn.SubscribeReplies(ctx); err != nil {
		return a, err
	}
	m := wsclient.Message{To: q.c.Args[0], Body: body, Anonymous: true, SURBs: answerSURBs, Isolation: q.tag}
	if err := conn.Send(ctx, m); err != nil {
		return a, err
	}
	for {
		m, err := conn.Receive(ctx)
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		if err != nil {
			return a, err
		}
		if a, err := broadcast.ParseAnswer(m.Body); err == nil && a.ID == id {
			return a, nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// told gives what an answer says.
func told(a broadcast.Answer) []cli.Detail {
	facts := []cli.Detail{{Name: "result", Value: string(a.Result)}}
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, cli.Detail{Name: name, Value: value})
		}
	}
	add("chain", a.Chain)
	if a.Hash != (broadcast.Hash{}) {
		add("hash", a.Kind.Text(a.Hash))
	}
	if !a.At.IsZero() {
		add("at", a.At.Format(time.RFC3339))
	}
	add("reply", printable(a.Reply))
	if a.Cut {
		add("cut", "true")
	}
	add("receipt", printable(a.Receipt))
	if len(a.Receipt) > 0 {
		add("confirmed", strconv.FormatBool(a.Confirmed))
	}
	add("reason", a.Reason)
	if a.Info != nil {
		for _, c := range a.Info.Chains {
			add("chain "+c.Name, served(c))
		}
		add("delay", a.Info.Delay.String())
		add("max_transaction", strconv.Itoa(a.Info.MaxTx))
	}
	return facts
}

func served(c broadcast.Chain) string {
	text := string(c.Kind)
	if c.Number != 0 {
		text += fmt.Sprintf(", chain id %d", c.Number)
	}
	if c.Checks {
		text += ", takes check"
	}
	return text
}

// printable makes what strangers say one line that does nothing to a terminal.
func printable(b []byte) string {
	text := strings.ToValidUTF8(strings.TrimSpace(string(b)), "\uFFFD")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !strconv.IsPrint(r):
			return '\uFFFD'
		}
		return r
	}, text)
}

// verdict makes an error of an answer that is not what was hoped for.
func verdict(a broadcast.Answer) error {
	switch a.Result {
	case broadcast.Accepted, broadcast.Known, broadcast.Acceptable, broadcast.Queued, broadcast.Served:
		return nil
	case broadcast.Refused:
		return errors.New("the node refuses the transaction; its reply says why")
	case broadcast.Unknown:
		return errors.New("nobody knows of such a transaction there")
	case broadcast.Denied, broadcast.Invalid:
		return fmt.Errorf("the broadcaster does not do this: %s", printable([]byte(a.Reason)))
	}
	return cli.Temporary(fmt.Errorf("not now: %s", printable([]byte(a.Reason))))
}
