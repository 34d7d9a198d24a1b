package requester

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Errors of asking a DNS server.
var (
	errNoName    = errors.New("requester: the name does not exist")
	errNoAddress = errors.New("requester: name has no address")
	errDNSName   = errors.New("requester: no name for the DNS")
	errFormat    = errors.New("requester: dns: the server does not understand the question")
)

// Lookup gives a function that resolves names by DNS and by nothing else: no
// hosts file, whatever nsswitch.conf says, no search domain, no multicast. It asks
// the server "addr:port", or those of /etc/resolv.conf if server is empty. Every
// call asks anew, so nothing is shared between those who ask.
//
// Where there is no such file, as on Windows, Go's resolver asks the servers of the
// system, and the hosts file may count.
func Lookup(server string) func(ctx context.Context, network, host string) ([]netip.Addr, error) {
	r := resolver{servers: systemServers, dial: new(net.Dialer).DialContext}
	if server != "" {
		r.servers = func() []string { return []string{server} }
	}
	return r.lookup
}

// BothFamilies makes a Config.Lookup of a function that gives the addresses of
// both families at once.
func BothFamilies(lookup func(ctx context.Context, host string) ([]netip.Addr, error)) func(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return func(ctx context.Context, network, host string) (some []netip.Addr, err error) {
		all, err := lookup(ctx, host)
		for _, a := range all {
			if a = a.Unmap(); a.Is4() == (network == "ip4") {
				some = append(some, a)
			}
		}
		return some, err
	}
}

// A resolver asks DNS servers for the addresses of names.
type resolver struct {
	servers func() []string // "addr:port"; none: there is no list of them
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

// lookup resolves an absolute name to the addresses of one family, "ip4" or
// "ip6". It asks one server after the other, each twice at most; who says that the
// name does not exist, or has no address, is believed.
func (r resolver) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	servers := r.servers()
	host = strings.TrimSuffix(host, ".") + "."
	if len(servers) == 0 {
		return (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, network, host)
	}
	kind := dnsmessage.TypeAAAA
	if network == "ip4" {
		kind = dnsmessage.TypeA
	}
	name, err := dnsmessage.NewName(host)
	if err != nil {
		return nil, errDNSName
	}
	q := dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}
	for range dnsRounds {
		for _, server := range servers {
			var addrs []netip.Addr
			addrs, err = r.ask(ctx, server, q)
			if err == nil || errors.Is(err, errNoName) || ctx.Err() != nil {
				return addrs, err
			}
		}
	}
	return nil, err
}

// ask asks one server, over TCP too if its answer does not fit a datagram, and
// without extensions if it knows none (RFC 6891 §7). What fits of an answer that
// is cut off does not count (RFC 2181 §9).
func (r resolver) ask(ctx context.Context, server string, q dnsmessage.Question) ([]netip.Addr, error) {
	for _, network := range []string{"udp", "tcp"} {
		addrs, truncated, err := r.exchange(ctx, network, server, q, true)
		if errors.Is(err, errFormat) {
			addrs, truncated, err = r.exchange(ctx, network, server, q, false)
		}
		if err != nil || !truncated {
			return addrs, err
		}
	}
	return nil, errors.New("requester: dns: the answer is cut off")
}

func (r resolver) exchange(ctx context.Context, network, server string, q dnsmessage.Question, extended bool) (addrs []netip.Addr, truncated bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	c, err := r.dial(ctx, network, server)
	if err != nil {
		return nil, false, fmt.Errorf("requester: dns: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	id, msg, err := question(q, extended)
	if err != nil {
		return nil, false, errDNSName
	}
	_, datagrams := c.(net.PacketConn)
	if datagrams {
		msg = msg[2:]
	}
	if _, err := c.Write(msg); err != nil {
		return nil, false, fmt.Errorf("requester: dns: %w", err)
	}
	buf := make([]byte, maxDatagram)
	for {
		var b []byte
		if datagrams {
			n, err := c.Read(buf)
			if err != nil {
				return nil, false, fmt.Errorf("requester: dns: %w", err)
			}
			b = buf[:n]
		} else {
			var size [2]byte
			if _, err := io.ReadFull(c, size[:]); err != nil {
				return nil, false, fmt.Errorf("requester: dns: %w", err)
			}
			b = make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(c, b); err != nil {
				return nil, false, fmt.Errorf("requester: dns: %w", err)
			}
		}
		addrs, truncated, ours, err := parseAnswer(b, id, q)
		if !ours && datagrams {
			continue // somebody guessed, or it is late
		}
		return addrs, truncated, err
	}
}

// question makes a message that asks q, with its length for a stream in front.
// extended says how large datagrams may be, in EDNS(0).
func question(q dnsmessage.Question, extended bool) (id uint16, msg []byte, err error) {
	var random [2]byte
	rand.Read(random[:])
	id = binary.BigEndian.Uint16(random[:])
	b := dnsmessage.NewBuilder(make([]byte, 2, 512), dnsmessage.Header{ID: id, RecursionDesired: true})
	err = errors.Join(b.StartQuestions(), b.Question(q))
	if extended {
		var opt dnsmessage.ResourceHeader
		err = errors.Join(err, b.StartAdditionals(),
			opt.SetEDNS0(maxDatagram, dnsmessage.RCodeSuccess, false), b.OPTResource(opt, dnsmessage.OPTResource{}))
	}
	if err != nil {
		return 0, nil, err
	}
	if msg, err = b.Finish(); err != nil {
		return 0, nil, err
	}
	binary.BigEndian.PutUint16(msg, uint16(len(msg)-2))
	return id, msg, nil
}

// parseAnswer reads the addresses of an answer to q. ours is false if it is an
// answer to something else.
func parseAnswer(b []byte, id uint16, q dnsmessage.Question) (addrs []netip.Addr, truncated, ours bool, err error) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return nil, false, false, errDNSName
	}
	asked, err := p.AllQuestions()
	if err == nil && len(asked) == 0 && h.RCode == dnsmessage.RCodeFormatError {
		return nil, false, true, errFormat // who does not understand a question need not repeat it
	}
	if err != nil || len(asked) != 1 || asked[0].Type != q.Type || asked[0].Class != q.Class ||
		!strings.EqualFold(asked[0].Name.String(), q.Name.String()) {
		return nil, false, false, errDNSName
	}
	switch {
	case h.RCode == dnsmessage.RCodeNameError:
		return nil, false, true, errNoName
	case h.RCode == dnsmessage.RCodeFormatError:
		return nil, false, true, errFormat
	case h.RCode != dnsmessage.RCodeSuccess:
		return nil, false, true, fmt.Errorf("requester: dns: the server answers %v", h.RCode)
	case h.Truncated:
		return nil, true, true, nil
	}
	for len(addrs) < maxAddrs {
		rh, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return addrs, false, true, nil
		}
		switch {
		case err != nil:
			return nil, false, true, fmt.Errorf("requester: dns: malformed answer")
		case rh.Class == dnsmessage.ClassINET && rh.Type == dnsmessage.TypeA && q.Type == dnsmessage.TypeA:
			var a dnsmessage.AResource
			if a, err = p.AResource(); err == nil {
				addrs = append(addrs, netip.AddrFrom4(a.A))
			}
		case rh.Class == dnsmessage.ClassINET && rh.Type == dnsmessage.TypeAAAA && q.Type == dnsmessage.TypeAAAA:
			var a dnsmessage.AAAAResource
			if a, err = p.AAAAResource(); err == nil {
				addrs = append(addrs, netip.AddrFrom16(a.AAAA))
			}
		default: // the names on the way
			err = p.SkipAnswer()
		}
		if err != nil {
			return nil, false, true, fmt.Errorf("requester: dns: malformed answer")
		}
	}
	return addrs, false, true, nil
}

// systemServers lists the DNS servers of the system; none where it has no
// resolv.conf.
func systemServers() []string {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	defer f.Close()
	if servers := parseServers(f); len(servers) > 0 {
		return servers
	}
	return []string{"127.0.0.1:53", "[::1]:53"} // as the system's resolver would
}

// parseServers reads the servers that a resolv.conf names.
func parseServers(r io.Reader) (servers []string) {
	lines := bufio.NewScanner(io.LimitReader(r, maxResolvConf))
	for lines.Scan() && len(servers) < maxServers {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(a, 53).String())
		}
	}
	return servers
}
