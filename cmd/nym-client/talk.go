package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"nym-socks5/config"
	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/wsapi"
	"nym-socks5/mixnet/wsapi/wsclient"
)

type call = cli.Call[*config.NymClient]

// The settings by which a command finds the client that runs.
var portSettings = []string{listen, "websocket.token"}

var timeoutFlag = cli.Flag{Name: "timeout", Arg: "TIME", Help: "give up after so long, such as 30s; without it, never"}

// commands are those that talk to a client that runs.
var commands = []cli.Command[*config.NymClient]{
	{
		Name: "send", Usage: "send what comes on standard input, and wait until it is acknowledged",
		Args: []string{"TO"}, Settings: portSettings,
		Flags: []cli.Flag{
			{Name: "anonymous", Help: "let TO answer without knowing who we are"},
			timeoutFlag,
		},
		Do: send,
	},
	{
		Name: "receive", Usage: "print messages that arrive, and those that waited for somebody",
		Settings: portSettings,
		Flags: []cli.Flag{
			{Name: "json", Help: "an object a line, with message, senderTag and, where the message is no text, encoding"},
			{Name: "count", Arg: "N", Help: "end after so many messages; without it, never"},
			timeoutFlag,
		},
		Do: receive,
	},
	{
		Name: "status", Usage: "tell how the client that runs fares", Settings: portSettings,
		Do: status,
	},
	dialCommand, listenCommand,
	broadcastCommand,
	aliasCommand,
}

// connect connects to the client that runs, for as long as the command may take.
func connect(c *call) (*wsclient.Conn, context.Context, context.CancelFunc, error) {
	ctx, cancel, err := within(c)
	if err != nil {
		return nil, nil, nil, err
	}
	conn, err := open(ctx, c)
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return conn, ctx, cancel, nil
}

// within gives a context that ends when the command may not take any longer.
func within(c *call) (context.Context, context.CancelFunc, error) {
	text := c.Flag("timeout")
	if text == "" {
		return c.Context(), func() {}, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return nil, nil, cli.Usage("--timeout %q: say a time, such as 30s", text)
	}
	ctx, cancel := context.WithTimeout(c.Context(), d)
	return ctx, cancel, nil
}

// open connects to the client that runs.
func open(ctx context.Context, c *call) (*wsclient.Conn, error) {
	secret, err := token(c.Config.WebSocket)
	if err != nil {
		return nil, err
	}
	at := reachable(c.Config.WebSocket.Listen).String()
	conn, err := wsclient.Dial(ctx, "ws://"+at, wsclient.Options{Token: secret})
	if err != nil {
		return nil, silent(at, err)
	}
	return conn, nil
}

// silent makes an error of a port where nothing answers one that says so.
func silent(at string, err error) error {
	if errors.As(err, new(*net.OpError)) {
		return cli.Temporary(fmt.Errorf("nothing answers at ws://%s: is nym-client run running, with this --listen?", at))
	}
	return err
}

// reachable gives the address under which a port is reached from this machine.
func reachable(at netip.AddrPort) netip.AddrPort {
	switch ip := at.Addr(); {
	case !ip.IsUnspecified():
		return at
	case ip.Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	default:
		return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
}

// given makes an error of time that ran out one that says what did not happen, and
// one of a request that makes no sense one of the command line.
func given(c *call, err error, undone string) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return cli.Temporary(fmt.Errorf("%s within %s", undone, c.Flag("timeout")))
	}
	var refused *wsclient.RefusedError
	if errors.As(err, &refused) {
		if why, ok := strings.CutPrefix(refused.Text, "malformed request:"); ok {
			return cli.Usage("%s", why)
		}
		return errors.New(strings.TrimPrefix(refused.Text, "other:"))
	}
	return err
}

func send(c *call) ([]cli.Detail, error) {
	body, err := io.ReadAll(io.LimitReader(c.In(), mixnet.MaxMessage+1))
	if err != nil {
		return nil, err
	}
	if len(body) > mixnet.MaxMessage {
		return nil, fmt.Errorf("standard input has more than %d bytes, which a message may have at most", mixnet.MaxMessage)
	}
	m := wsclient.Message{To: c.Args[0], Body: body}
	if c.Has("anonymous") {
		m.Anonymous, m.SURBs = true, answerSURBs
	}
	if _, err := mixnet.ParseSenderTagText(m.To); err == nil {
		m.To, m.Reply = "", m.To
	}
	conn, ctx, cancel, err := connect(c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer conn.Close()
	return nil, given(c, conn.Send(ctx, m), "the gateway of the recipient has not acknowledged the message, which was taken back,")
}

// answerSURBs is with how many reply SURBs a conversation begins; more come as they
// are needed.
const answerSURBs = 20

// A line is a message as receive --json prints it.
type line struct {
	Message   string  `json:"message"`
	Encoding  string  `json:"encoding,omitempty"`
	SenderTag *string `json:"senderTag"`
}

func receive(c *call) ([]cli.Detail, error) {
	left := -1
	if text := c.Flag("count"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, cli.Usage("--count %q: say a number of messages", text)
		}
		left = n
	}
	conn, ctx, cancel, err := connect(c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer conn.Close()
	if err := conn.Subscribe(ctx); err != nil {
		return nil, given(c, err, "nym-client has not answered")
	}
	out := json.NewEncoder(c.Out())
	out.SetEscapeHTML(false)
	for got := 0; left != 0; got, left = got+1, left-1 {
		m, err := conn.Receive(ctx)
		switch {
		case c.Context().Err() != nil, left < 0 && got > 0 && errors.Is(err, context.DeadlineExceeded):
			return nil, nil // it was told to end, or has had its time
		case err != nil:
			return nil, given(c, err, missing(left))
		}
		if c.Has("json") {
			err = out.Encode(lineOf(m))
		} else {
			_, err = c.Out().Write(append(bytes.TrimSuffix(m.Body, []byte("\n")), '\n'))
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// missing says what has not arrived.
func missing(left int) string {
	switch {
	case left < 0:
		return "no message has arrived"
	case left == 1:
		return "the message that --count waits for has not arrived"
	}
	return fmt.Sprintf("%d of the messages that --count waits for have not arrived", left)
}

func lineOf(m wsclient.Received) line {
	l := line{Message: string(m.Body)}
	if !utf8.Valid(m.Body) {
		l.Message, l.Encoding = base64.StdEncoding.EncodeToString(m.Body), "base64"
	}
	if m.From != "" {
		l.SenderTag = &m.From
	}
	return l
}

// A clientStatus is how the client below the port fares. It has no counter that
// follows single messages (H38).
type clientStatus struct {
	Connected    bool   `json:"connected"`
	Gateway      string `json:"gateway"`
	Since        string `json:"since"`
	Why          string `json:"why"`
	LoopsSent    int    `json:"loopsSent"` // packets to ourselves in the last five minutes
	LoopsArrived int    `json:"loopsArrived"`
}

// fares tells how an endpoint fares.
func fares(e *endpoint.Endpoint) func() any {
	return func() any {
		s := e.Status()
		return clientStatus{
			Connected: s.Entry.Connected, Gateway: s.Entry.Gateway.String(),
			Since: s.Entry.Since.UTC().Format(time.RFC3339), Why: string(s.Entry.Why),
			LoopsSent: s.Loops.Sent, LoopsArrived: s.Loops.Home,
		}
	}
}

func status(c *call) ([]cli.Detail, error) {
	conn, ctx, cancel, err := connect(c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer conn.Close()
	below := new(clientStatus)
	s := wsapi.Status{Client: below}
	if err := conn.Status(ctx, &s); err != nil {
		return nil, given(c, err, "nym-client has not answered")
	}
	number := func(n int) string { return strconv.Itoa(n) }
	return []cli.Detail{
		{Name: "address", Value: s.Address},
		{Name: "connected", Value: strconv.FormatBool(below.Connected)},
		{Name: "gateway", Value: below.Gateway},
		{Name: "since", Value: below.Since},
		{Name: "why", Value: below.Why},
		{Name: "loops_sent", Value: number(below.LoopsSent)},
		{Name: "loops_arrived", Value: number(below.LoopsArrived)},
		{Name: "programs", Value: number(s.Programs - 1)}, // but this one
		{Name: "kept", Value: number(s.Kept)},
		{Name: "kept_bytes", Value: number(s.KeptSize)},
		{Name: "received", Value: strconv.FormatUint(s.Received, 10)},
		{Name: "dropped", Value: strconv.FormatUint(s.Dropped, 10)},
	}, nil
}
