package session

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"
)

// "The kernel must not hoard either: the gateway connection keeps at most a few
// frames unsent (TCP_NOTSENT_LOWAT where there is one …)"
func TestH02KernelHoardsLittle(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			c.Read(r.Context()) // until the client leaves
			c.CloseNow()
		}
	}))
	defer srv.Close()
	var below *net.TCPConn
	conn, err := Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			below = c.(*net.TCPConn)
		}
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(CloseNormal, "")
	raw, err := below.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if got, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); err != nil || got != unsentBytes {
			t.Errorf("TCP_NOTSENT_LOWAT is %d, %v, want %d", got, err, unsentBytes)
		}
	})
}
