package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/proxy"
	"nym-socks5/proxy/socks"
)

// watchApp is the command doctor app: it waits at the port for one connection of an
// application, and says whether it asks by name or by address. An application that
// looks names up itself tells its resolver, and whoever is on the way, where it goes.
func watchApp(c *cli.Call[*config.SOCKS]) error {
	at := c.Config.Front.Listen
	ln, err := net.Listen("tcp", at.String())
	if err != nil {
		return cli.Invalid("nobody can be watched at %v: %v; is nym-socks5 running there? Stop it, or say --listen with another port, and tell the application that", at, err)
	}
	defer ln.Close()
	fmt.Fprintf(c.Out(), "Waiting at %v. Have the application open a page now; it will fail.\n", ln.Addr())
	ctx, stop := context.WithCancel(c.Context())
	asked := make(chan string, 1) // the first is enough
	server := socks.New(socks.Config{
		Dial: func(_ context.Context, target string, _ proxy.DialOptions) (proxy.Stream, error) {
			select {
			case asked <- target:
			default:
			}
			return nil, &proxy.OpenError{Reason: proxy.ReasonDenied}
		},
		MaxConns: c.Config.Front.MaxConns,
	})
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, ln) }()
	var target string
	select {
	case target = <-asked:
	case <-ctx.Done():
	}
	stop()
	if err := <-ended; err != nil || target == "" {
		return err
	}
	return judgeApp(c.Out(), target)
}

// judgeApp says what a target tells of an application.
func judgeApp(out io.Writer, target string) error {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return err
	}
	if _, err := netip.ParseAddr(host); err != nil {
		fmt.Fprintln(out, "fine: the application asks by name, and leaves looking it up to the requester.")
		return nil
	}
	fmt.Fprintln(out, `WRONG: the application sends an address. If you gave it a name, it has looked that up
       itself, outside the mixnet, and its resolver knows where it goes.
       what to do: have it look names up through the proxy. In curl and Python that is the
       scheme socks5h in place of socks5; in Firefox "Proxy DNS when using SOCKS v5";
       Chromium does so with --proxy-server=socks5://…; others speak SOCKS4a, or HTTP CONNECT.`)
	return fmt.Errorf("the application asks by address")
}
