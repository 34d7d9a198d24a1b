package cli

import (
	"context"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"nym-socks5/config"
	"nym-socks5/internal/wholefile"
)

// flagJoin says which network to join: a link, or a file with one or with facts.
const flagJoin = "join"

// joinFlags is the flag, for programs that join a network.
func (p Program[C]) joinFlags() []cli.Flag {
	if !config.CanJoin(p.New()) {
		return nil
	}
	return []cli.Flag{&cli.StringFlag{Name: flagJoin, EnvVars: []string{p.variable(flagJoin)}, Category: "network",
		Usage: "`LINK`: what \"directory invite\" prints, or a file with it, or network.toml, or - for standard input; in place of network.* and what belongs to it"}}
}

// join puts what the flag names into settings.
func (p Program[C]) join(c *cli.Context, cfg C) error {
	if !config.CanJoin(cfg) || c.String(flagJoin) == "" {
		return nil
	}
	text, err := joinText(c)
	if err != nil {
		return err
	}
	j, err := config.ParseJoin(text)
	if err != nil {
		return err
	}
	if err := c.Set(flagJoin, text); err != nil { // standard input is read once
		return err
	}
	return j.Apply(cfg)
}

// reachable has a new node that joins say where others reach it, if its settings do
// not: under the address of this machine that packets to the directory leave from.
func (p Program[C]) reachable(c *cli.Context, cfg C) {
	if !config.CanJoin(cfg) || c.String(flagJoin) == "" {
		return
	}
	if ip, ok := addressTowards(c.Context, config.Common(cfg).Network.Directories[0]); ok {
		config.ReachedAt(cfg, ip)
	}
}

// joinText gives the text that the flag names.
func joinText(c *cli.Context) (string, error) {
	text := c.String(flagJoin)
	switch {
	case text == "-":
		b, err := io.ReadAll(io.LimitReader(c.App.Reader, config.MaxJoin+1))
		return string(b), err
	case strings.Contains(text, ","), strings.Contains(text, "\n"): // no path that anybody has
		return text, nil
	}
	b, err := os.ReadFile(text)
	if os.IsNotExist(err) {
		return "", Invalid("--%s: there is no file %q, nor is that a link, which begins with nym-socks5:", flagJoin, text)
	}
	if err != nil {
		return "", Invalid("--%s: %v", flagJoin, err)
	}
	if strings.Contains(string(b), ",invite=") { // a secret
		if _, err := wholefile.ReadSecret(text, config.MaxJoin); err != nil {
			return "", Invalid("%s", strings.TrimPrefix(err.Error(), "wholefile: "))
		}
	}
	return string(b), nil
}

// addressTowards gives the address of this machine that packets to a directory leave
// from. None is given where others could not use it: behind the translation of a
// router, or on this machine alone while the directory is elsewhere. Nothing is sent.
func addressTowards(ctx context.Context, directory string) (ip netip.Addr, ok bool) {
	u, err := url.Parse(directory)
	if err != nil {
		return ip, false
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	ctx, stop := context.WithTimeout(ctx, lookAtRoute)
	defer stop()
	conn, err := new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return ip, false
	}
	defer conn.Close()
	here, there := addrOf(conn.LocalAddr()), addrOf(conn.RemoteAddr())
	if !here.IsValid() || near(here) && !near(there) || here.IsLoopback() != there.IsLoopback() {
		return ip, false
	}
	return here, true
}

func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// near reports whether an address means something in one place only.
func near(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}
