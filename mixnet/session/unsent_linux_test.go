package session

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// "The kernel must not hoard either: the gateway connection keeps at most a few
// frames unsent (TCP_NOTSENT_LOWAT where there is one …)"
func TestH02KernelHoardsLittle(t *testing.T) {
	url := listen(t, newFakeGateway(t, nil), nil)
	var below *net.TCPConn
	conn, err := Dial(deadline(t), url, func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			below = c.(*net.TCPConn)
		}
		return c, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(closeNormal, "")
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
