//go:build unix

package mixnode

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/link"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/topology"
	"nym-socks5/mixnet/wire"
)

// peerEnv makes the test binary a load generator: see peerProcess.
const peerEnv = "MIXNODE_BENCH_PEER"

func TestMain(m *testing.M) {
	if file := os.Getenv(peerEnv); file != "" {
		if err := peerProcess(file); err != nil {
			fmt.Fprintln(os.Stderr, "peer:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// peerProcess is what stands before and behind the relay, in a process of its
// own so that the relay's CPU time can be told from theirs. It prints where it
// listens, reads the relay's address, writes the bytes of file there and counts
// the bytes that come back until there are as many.
func peerProcess(file string) error {
	frames, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	in := bufio.NewReader(os.Stdin)
	for {
		relay, err := in.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		c, err := net.Dial("tcp", relay[:len(relay)-1])
		if err != nil {
			return err
		}
		go func() {
			for b := frames; len(b) > 0; {
				n, err := c.Write(b[:min(len(b), 64<<10)])
				if err != nil {
					return
				}
				b = b[n:]
			}
		}()
		back, err := ln.Accept()
		if err != nil {
			return err
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(back, int64(len(frames))), make([]byte, 256<<10))
		if err != nil || n != int64(len(frames)) {
			return fmt.Errorf("%d of %d bytes came back: %v", n, len(frames), err)
		}
		back.Close()
		c.Close()
		fmt.Println("done")
	}
}

func processCPU() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkRelay measures a mix node between two peers over loopback TCP:
//
//	relay-ns/packet   CPU time of the whole process, kernel included
//	unwrap-ns/packet  that of Workspace.Open and Strip alone, in batches of 8
//	rest-ns/packet    the difference: reading, replay filter, delay, writing
func BenchmarkRelay(b *testing.B) {
	const packets = 6000
	for _, c := range []struct {
		name string
		mean time.Duration
	}{{"no delay", 0}, {"20 ms", 20 * time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) { benchRelay(b, packets, c.mean) })
	}
}

func benchRelay(b *testing.B, packets int, mean time.Duration) {
	key, nextKey := keys.NewSphinxKey(), keys.NewSphinxKey()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	self := mixnet.NodeAddrFrom(ln.Addr().(*net.TCPAddr).AddrPort())
	ln.Close()

	file := filepath.Join(b.TempDir(), "frames")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	next := mixnet.NodeAddrFrom(addrPort("127.0.0.1", 1)) // a mere name: Dial goes elsewhere
	frames, plain := buildRelayed(b, packets, mean, key, nextKey, self, next)
	if err := os.WriteFile(file, frames, 0o600); err != nil {
		b.Fatal(err)
	}
	peer := exec.Command(os.Args[0])
	peer.Env = append(os.Environ(), peerEnv+"="+file)
	peer.Stderr = os.Stderr
	stdin, err := peer.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := peer.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		stdin.Close()
		if err := peer.Wait(); err != nil {
			b.Error(err)
		}
	}()
	out := bufio.NewReader(stdout)
	listening, err := out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	topo := relayTopology(b, self, next, key, nextKey)

	var cpu, unwrap time.Duration
	for b.Loop() {
		unwrap += unwrapAlone(b, plain, key)
		node, err := New(Config{
			Keys: Keys{Primary: Key{Rotation: NoRotation, Key: key}}, Addr: self,
			Topology:   func() *topology.Network { return topo },
			QueueBytes: 256 << 20, DelayQuota: 256 << 20,
			Pool: link.PoolConfig{
				QueuePackets: packets, QueueBytes: 64 << 20,
				Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, listening[:len(listening)-1])
				},
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		before := processCPU()
		go func() { done <- node.Run(ctx, ln) }()
		fmt.Fprintln(stdin, ln.Addr())
		if _, err := out.ReadString('\n'); err != nil {
			b.Fatalf("%v; %+v", err, node.Stats())
		}
		cpu += processCPU() - before
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	per := float64(b.N * packets)
	b.ReportMetric(float64(cpu)/per, "relay-ns/packet")
	b.ReportMetric(float64(unwrap)/per, "unwrap-ns/packet")
	b.ReportMetric(float64(cpu-unwrap)/per, "rest-ns/packet")
	b.ReportMetric(0, "ns/op")
}

func relayTopology(b *testing.B, self, next mixnet.NodeAddr, key, nextKey *keys.SphinxKey) *topology.Network {
	b.Helper()
	node := func(id uint32, role topology.Role, addr mixnet.NodeAddr, k *keys.SphinxKey) topology.Node {
		return topology.Node{ID: id, Role: role, Identity: keys.NewIdentityKey().Public(), Addr: addr, Sphinx: k.Public()}
	}
	other := func(port uint16) mixnet.NodeAddr { return mixnet.NodeAddrFrom(addrPort("127.0.0.1", port)) }
	topo, err := topology.New(topology.Snapshot{Nodes: []topology.Node{
		node(1, topology.RoleMix1, self, key), node(2, topology.RoleMix2, next, nextKey),
		node(3, topology.RoleMix3, other(3), keys.NewSphinxKey()), node(4, topology.RoleGateway, other(4), keys.NewSphinxKey()),
	}})
	if err != nil {
		b.Fatal(err)
	}
	return topo
}

// buildRelayed builds packets for us and the next hop, as frames and bare.
func buildRelayed(b *testing.B, n int, mean time.Duration, key, nextKey *keys.SphinxKey, self, next mixnet.NodeAddr) (frames []byte, plain [][]byte) {
	b.Helper()
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], 1)
	rng := mrand.New(mrand.NewChaCha8(seed))
	var build sphinx.Builder
	for range n {
		j := sphinx.Job{
			Route: []sphinx.Hop{
				{Addr: self, Key: key.Public(), Delay: topology.Delay(rng, mean)}, {Addr: next, Key: nextKey.Public()},
			},
			Message: make([]byte, 2000),
			Packet:  make([]byte, mixnet.Regular.Total()),
		}
		rand.Read(j.Secret[:])
		rand.Read(j.Padding[:])
		if err := build.Build([]sphinx.Job{j}); err != nil {
			b.Fatal(err)
		}
		var err error
		if frames, err = wire.AppendFrame(frames, wire.V8, wire.Frame{Rotation: mixnet.RotationOdd, Packet: j.Packet}); err != nil {
			b.Fatal(err)
		}
		plain = append(plain, j.Packet)
	}
	return frames, plain
}

// unwrapAlone is the CPU time of unwrapping alone, on all CPUs as the relay
// does, the copies of the packets included.
func unwrapAlone(b *testing.B, plain [][]byte, key *keys.SphinxKey) time.Duration {
	b.Helper()
	workers := runtime.GOMAXPROCS(0)
	before := processCPU()
	var wg sync.WaitGroup
	for i := range workers {
		share := plain[i*len(plain)/workers : (i+1)*len(plain)/workers]
		wg.Go(func() {
			var w sphinx.Workspace
			batch := make([]sphinx.Packet, sphinx.BatchSize)
			data := make([]byte, sphinx.BatchSize*mixnet.Regular.Total())
			for ; len(share) >= sphinx.BatchSize; share = share[sphinx.BatchSize:] {
				for i := range batch {
					d := data[i*mixnet.Regular.Total():][:mixnet.Regular.Total()]
					copy(d, share[i])
					batch[i] = sphinx.Packet{Data: d, Keys: [2]*keys.SphinxKey{key}}
				}
				w.Open(batch)
				w.Strip(batch)
				if batch[0].Err != nil {
					b.Error(batch[0].Err)
				}
			}
		})
	}
	wg.Wait()
	return processCPU() - before
}
