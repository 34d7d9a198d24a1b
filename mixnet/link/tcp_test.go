//go:build unix

package link

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// Over real TCP, with the dialer that a pool has by itself. nodes.md §3.1:
// "Go sets [TCP_NODELAY] by default; keep it."
func TestOverTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	key := keys.NewNoiseKey()
	const packets = 3000
	arrived := make(chan int, packets)
	s := NewServer(ServerConfig{Key: key, Serve: func(_ context.Context, in *Inbound) {
		for {
			frames, err := in.Read()
			if err != nil {
				return
			}
			arrived <- len(frames)
		}
	}})
	var mu sync.Mutex
	var nodelay []int
	dial := NewPool(PoolConfig{}).cfg.Dial
	p := NewPool(PoolConfig{
		Key: keys.NewNoiseKey(), NoiseKey: func(mixnet.NodeAddr) keys.Noise { return key.Public() },
		QueuePackets: packets,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			raw, err := c.(*net.TCPConn).SyscallConn()
			if err != nil {
				return nil, err
			}
			raw.Control(func(fd uintptr) {
				v, _ := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
				mu.Lock()
				nodelay = append(nodelay, v)
				mu.Unlock()
			})
			return c, nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx, ln) })
	wg.Go(func() { p.Run(ctx) })
	next := mixnet.NodeAddrFrom(ln.Addr().(*net.TCPAddr).AddrPort())
	f := frame(mixnet.Regular, 1, 1)
	for range packets {
		if err := p.Send(next, f); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < packets; {
		got += <-arrived
	}
	cancel()
	wg.Wait()
	if st := p.Stats(); st.Sent != packets || st.Writes > packets/5 {
		t.Errorf("%d packets took %d writes", st.Sent, st.Writes)
	}
	if len(nodelay) != 1 || nodelay[0] == 0 {
		t.Errorf("TCP_NODELAY is %v, want it set", nodelay)
	}
}
