//go:build !js

package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/coder/websocket"
)

// A DialFunc opens connections below a WebSocket, as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Dial opens a WebSocket to a gateway: url is ws://host:port or
// wss://host:port. A nil dial means a zero net.Dialer. ctx bounds the opening
// only. There is no proxy, no redirect and no compression, and no header tells
// who we are.
func Dial(ctx context.Context, url string, dial DialFunc) (MessageConn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var below atomic.Pointer[net.Conn]
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			keepLittleUnsent(c)
			below.Store(&c)
			return c, nil
		},
	}
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirected") },
		},
		HTTPHeader: http.Header{"User-Agent": {""}}, // empty: none is sent
	})
	if err != nil {
		return nil, dialError(ctx, err)
	}
	return newWSConn(ws, func() { (*below.Load()).Close() }), nil
}

// dialError keeps the kind of a failed opening without the host it names.
func dialError(ctx context.Context, err error) error {
	var (
		name    *net.DNSError
		cert    *tls.CertificateVerificationError
		refused *os.SyscallError
	)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("session: dial: %w", ctx.Err())
	case errors.As(err, &name):
		return errors.New("session: dial: name not found")
	case errors.As(err, &cert):
		return errors.New("session: dial: certificate refused")
	case errors.As(err, &refused):
		return fmt.Errorf("session: dial: %w", refused)
	}
	return errors.New("session: dial: no WebSocket there")
}
