package socksclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// A Version is a SOCKS version.
type Version uint8

// Versions. The zero Version means V5.
const (
	V5  Version = 5
	V4  Version = 4  // IPv4 targets only
	V4a Version = 40 // SOCKS 4 with names
)

func (v Version) String() string {
	switch v {
	case V4:
		return "SOCKS4"
	case V4a:
		return "SOCKS4a"
	default:
		return "SOCKS5"
	}
}

// A ReplyError is the proxy's refusal.
type ReplyError struct {
	Version Version
	Code    byte // the reply code as received: RFC 1928 §6, or 0x5B and following
}

func (e *ReplyError) Error() string {
	return fmt.Sprintf("socksclient: %v reply %#02x", e.Version, e.Code)
}

// ErrAuth reports that the proxy accepts none of our authentication methods,
// or not our user and password.
var ErrAuth = errors.New("socksclient: authentication refused")

// A Dialer connects through a SOCKS proxy. Its methods may be used by many
// goroutines at once.
type Dialer struct {
	// Proxy is the proxy's "host:port".
	Proxy string
	// Version is the protocol to speak. If zero, it is V5.
	Version Version
	// User and Password authenticate (V5), or User is the user id (V4, V4a). If
	// both are empty, V5 offers no authentication only.
	User, Password string
	// Dial opens the connection to the proxy. If nil, a zero net.Dialer is used.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// DialContext connects to target, "host:port" with IPv6 in brackets. The
// network must be tcp. The connection is the one to the proxy itself, so it has
// CloseWrite if that has it. A refusal is a [*ReplyError].
func (d *Dialer) DialContext(ctx context.Context, network, target string) (net.Conn, error) {
	if network != "tcp" {
		return nil, fmt.Errorf("socksclient: network %q, want tcp", network)
	}
	request, err := d.request(target)
	if err != nil {
		return nil, err
	}
	dial := d.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(ctx, "tcp", d.Proxy)
	if err != nil {
		return nil, fmt.Errorf("socksclient: dial the proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err = d.handshake(c, request)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (d *Dialer) handshake(c net.Conn, request []byte) error {
	if d.Version == V4 || d.Version == V4a {
		if _, err := c.Write(request); err != nil {
			return fmt.Errorf("socksclient: request: %w", err)
		}
		return d.reply4(c)
	}
	if err := d.authenticate(c); err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return fmt.Errorf("socksclient: request: %w", err)
	}
	return d.reply5(c)
}

// request encodes CONNECT to target.
func (d *Dialer) request(target string) ([]byte, error) {
	host, portText, err := net.SplitHostPort(target)
	if err != nil {
		return nil, fmt.Errorf("socksclient: target: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("socksclient: target: port %q", portText)
	}
	addr, err := netip.ParseAddr(host)
	isAddr := err == nil
	p := []byte{byte(port >> 8), byte(port)}

	if d.Version == V4 || d.Version == V4a {
		b := append([]byte{4, 1}, p...)
		switch {
		case isAddr && addr.Is4():
			b = append(append(append(b, addr.AsSlice()...), d.User...), 0)
		case d.Version == V4:
			return nil, errors.New("socksclient: SOCKS4 reaches IPv4 addresses only")
		default:
			b = append(append(append(b, 0, 0, 0, 1), d.User...), 0)
			b = append(append(b, host...), 0)
		}
		return b, nil
	}
	b := []byte{5, 1, 0}
	switch {
	case isAddr && addr.Is4():
		b = append(append(b, 1), addr.AsSlice()...)
	case isAddr:
		b = append(append(b, 4), addr.AsSlice()...)
	case len(host) > 255:
		return nil, fmt.Errorf("socksclient: target: name of %d bytes, at most 255 fit", len(host))
	default:
		b = append(append(b, 3, byte(len(host))), host...)
	}
	return append(b, p...), nil
}

// authenticate speaks RFC 1928 §3 and RFC 1929.
func (d *Dialer) authenticate(c net.Conn) error {
	greeting := []byte{5, 1, 0}
	withPassword := d.User != "" || d.Password != ""
	if withPassword {
		greeting = []byte{5, 2, 0, 2}
	}
	if len(d.User) > 255 || len(d.Password) > 255 {
		return errors.New("socksclient: user or password longer than 255 bytes")
	}
	if _, err := c.Write(greeting); err != nil {
		return fmt.Errorf("socksclient: greeting: %w", err)
	}
	var b [2]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return fmt.Errorf("socksclient: greeting: %w", err)
	}
	switch {
	case b[0] != 5:
		return fmt.Errorf("socksclient: greeting: version %d", b[0])
	case b[1] == 0:
		return nil
	case b[1] != 2 || !withPassword:
		return ErrAuth
	}
	req := append([]byte{1, byte(len(d.User))}, d.User...)
	req = append(append(req, byte(len(d.Password))), d.Password...)
	if _, err := c.Write(req); err != nil {
		return fmt.Errorf("socksclient: authenticate: %w", err)
	}
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return fmt.Errorf("socksclient: authenticate: %w", err)
	}
	if b[0] != 1 || b[1] != 0 {
		return ErrAuth
	}
	return nil
}

// reply5 reads a whole SOCKS5 reply and nothing beyond it.
func (d *Dialer) reply5(c net.Conn) error {
	b := make([]byte, 4, 4+1+255+2)
	if _, err := io.ReadFull(c, b); err != nil {
		return fmt.Errorf("socksclient: reply: %w", err)
	}
	rest := 0
	switch b[3] {
	case 1:
		rest = 4 + 2
	case 4:
		rest = 16 + 2
	case 3:
		if _, err := io.ReadFull(c, b[4:5]); err != nil {
			return fmt.Errorf("socksclient: reply: %w", err)
		}
		rest = int(b[4:5][0]) + 2
	default:
		return fmt.Errorf("socksclient: reply: address type %d", b[3])
	}
	if _, err := io.ReadFull(c, make([]byte, rest)); err != nil {
		return fmt.Errorf("socksclient: reply: %w", err)
	}
	if b[0] != 5 {
		return fmt.Errorf("socksclient: reply: version %d", b[0])
	}
	if b[1] != 0 {
		return &ReplyError{V5, b[1]}
	}
	return nil
}

// reply4 reads a whole SOCKS4 reply and nothing beyond it.
func (d *Dialer) reply4(c net.Conn) error {
	var b [8]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return fmt.Errorf("socksclient: reply: %w", err)
	}
	if b[0] != 0 {
		return fmt.Errorf("socksclient: reply: version %d", b[0])
	}
	if b[1] != 0x5A {
		return &ReplyError{d.Version, b[1]}
	}
	return nil
}
