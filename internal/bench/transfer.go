package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/client"
)

// The figures of bulk data through a whole network on this machine: SOCKS port,
// two clients, two gateways, three layers of mixes, requester, target.
var transferFigures = []Figure{
	{
		Name: "whole network, upload", Unit: "MB/s", Goal: AtLeastTimes(0.70),
		Measure: func(l *Lab) (Value, error) { return l.rate(mixnet.Regular, upload) },
	},
	{
		Name: "whole network, download", Unit: "MB/s", Goal: AtLeastTimes(0.70),
		Measure: func(l *Lab) (Value, error) { return l.rate(mixnet.Regular, download) },
	},
	{
		Name: "whole network, upload, CPU", Unit: "s/MB",
		Measure: func(l *Lab) (Value, error) { return l.cpuPerMB(mixnet.Regular, upload) },
	},
	{
		Name: "whole network, download, CPU", Unit: "s/MB",
		Measure: func(l *Lab) (Value, error) { return l.cpuPerMB(mixnet.Regular, download) },
	},
	{
		Name: "whole network, upload, cores that others used", Unit: "%",
		Measure: func(l *Lab) (Value, error) { return l.others(mixnet.Regular, upload) },
	},
	{
		Name: "whole network, download, cores that others used", Unit: "%",
		Measure: func(l *Lab) (Value, error) { return l.others(mixnet.Regular, download) },
	},
	{
		Name: "whole network, upload, 33133-byte packets", Unit: "MB/s", Goal: AtLeast(12),
		Measure: func(l *Lab) (Value, error) { return l.rate(mixnet.Extended32, upload) },
	},
	{
		Name: "whole network, download, 33133-byte packets", Unit: "MB/s", Goal: AtLeast(12),
		Measure: func(l *Lab) (Value, error) { return l.rate(mixnet.Extended32, download) },
	},
	{
		Name: "whole network, upload, 33133-byte packets, CPU", Unit: "s/MB",
		Measure: func(l *Lab) (Value, error) { return l.cpuPerMB(mixnet.Extended32, upload) },
	},
	{
		Name: "whole network, download, 33133-byte packets, CPU", Unit: "s/MB",
		Measure: func(l *Lab) (Value, error) { return l.cpuPerMB(mixnet.Extended32, download) },
	},
	{
		Name: "whole network, upload, 33133-byte packets, cores that others used", Unit: "%",
		Measure: func(l *Lab) (Value, error) { return l.others(mixnet.Extended32, upload) },
	},
	{
		Name: "whole network, download, 33133-byte packets, cores that others used", Unit: "%",
		Measure: func(l *Lab) (Value, error) { return l.others(mixnet.Extended32, download) },
	},
}

// megabyte is the MB of MB/s.
const megabyte = 1e6

// A direction is that of the data.
type direction uint8

const (
	upload direction = iota
	download
	directions
)

// transfers are what bulk transfers with packets of one size gave.
type transfers struct {
	seconds [directions]float64 // per MB, median, on the wall clock
	cpu     [directions]float64 // seconds per MB, median: the whole network, source and sink
	bound   [directions]float64 // seconds of CPU per MB that the yardstick takes, measured between the transfers; the least, being a bound
	others  [directions]float64 // share of the cores that other processes used meanwhile, median
}

// transferRounds is how many transfers are made each way, in turn. Each moves
// about as much as takes a few seconds.
const transferRounds = 3

func transferSize(s mixnet.PacketSize) int {
	if s == mixnet.Regular {
		return 4 * megabyte
	}
	return 24 * megabyte
}

func (l *Lab) rate(size mixnet.PacketSize, d direction) (Value, error) {
	t, err := l.transfers(size)
	if err != nil {
		return Value{}, err
	}
	return t.rate(d), nil
}

// rate is in MB/s, beside what all cores could do if there were nothing but
// cryptography.
func (t *transfers) rate(d direction) Value {
	return Value{Measured: 1 / t.seconds[d], Yardstick: float64(runtime.GOMAXPROCS(0)) / t.bound[d]}
}

func (l *Lab) cpuPerMB(size mixnet.PacketSize, d direction) (Value, error) {
	t, err := l.transfers(size)
	if err != nil {
		return Value{}, err
	}
	return Value{Measured: t.cpu[d], Yardstick: t.bound[d]}, nil
}

// others tells how much of the machine was not ours: a rate that is missed then
// says little.
func (l *Lab) others(size mixnet.PacketSize, d direction) (Value, error) {
	t, err := l.transfers(size)
	if err != nil {
		return Value{}, err
	}
	return Value{Measured: 100 * t.others[d]}, nil
}

// surbSize is what a reply SURB takes in the message that delivers it, and
// fragmentHeader what a fragment takes of a packet besides its data.
const (
	surbSize       = 460
	fragmentHeader = 7
)

// bound is the CPU time, in seconds, that the yardstick takes for the
// cryptography of one MB and of everything that it entails: SURB-ACKs, and for
// the way back the SURBs and their delivery.
func (c *packetCosts) bound(size mixnet.PacketSize, d direction) float64 {
	data := float64(size.Fragment() - fragmentHeader)
	ack := c.yardAckBuild.CPU + yardHops*c.yardAckUnwrap.CPU
	packet := c.yardBuild.CPU + yardHops*c.yardUnwrap.CPU + ack + c.yardOpen.CPU
	if d == download {
		delivery := time.Duration(float64(packet) * surbSize / data)
		packet = c.yardSeal.CPU + yardHops*c.yardUnwrap.CPU + ack + c.yardSURB.CPU + delivery
	}
	return packet.Seconds() / data * megabyte
}

// transfers measures uploads and downloads with packets of one size, once.
func (l *Lab) transfers(size mixnet.PacketSize) (*transfers, error) {
	return once(l, "transfers "+size.String(), func() (*transfers, error) {
		traffic := client.Fast()
		traffic.Size = size
		return in(l.ctx, traffic, func(w *world) (*transfers, error) {
			return measureTransfers(&w.testbed, processCPU, size, transferSize(size))
		})
	})
}

// measureTransfers moves n bytes each way, some times over. cpu is the CPU time that
// the network, source and sink have used.
func measureTransfers(b *testbed, cpuOf func() time.Duration, size mixnet.PacketSize, n int) (*transfers, error) {
	addr, err := b.target(func(c *net.TCPConn) { serveTransfer(c, n) })
	if err != nil {
		return nil, err
	}
	var wall, cpu, others, bound [directions][]float64
	mb := float64(n) / megabyte
	for round := range 1 + transferRounds { // the first warms up
		for d := range directions {
			began, used, unused := time.Now(), cpuOf(), idleCPU()
			if err := transfer(b, addr, d, n); err != nil {
				return nil, err
			}
			took, ours, idle := time.Since(began).Seconds(), (cpuOf() - used).Seconds(), (idleCPU() - unused).Seconds()
			if round > 0 {
				wall[d] = append(wall[d], took/mb)
				cpu[d] = append(cpu[d], ours/mb)
				others[d] = append(others[d], max(0, 1-(ours+idle)/took/float64(runtime.NumCPU())))
			}
		}
		costs, err := measurePackets(size, sliceRounds/4)
		if err != nil {
			return nil, err
		}
		for d := range directions {
			bound[d] = append(bound[d], costs.bound(size, d))
		}
	}
	t := new(transfers)
	for d := range directions {
		t.seconds[d], t.cpu[d] = median(wall[d]), median(cpu[d])
		t.bound[d], t.others[d] = slices.Min(bound[d]), median(others[d])
	}
	return t, nil
}

// serveTransfer is the target: a first byte asks for a direction; an upload is
// answered with one byte when it is complete.
func serveTransfer(c *net.TCPConn, n int) {
	var ask [1]byte
	if _, err := io.ReadFull(c, ask[:]); err != nil {
		return
	}
	if direction(ask[0]) == download {
		io.CopyN(c, zeros{}, int64(n)) // the other end notices if it falls short
		return
	}
	if got, _ := io.CopyN(io.Discard, c, int64(n)); got == int64(n) {
		c.Write(ask[:])
	}
}

// transfer moves n bytes through a new stream and waits until they are there.
func transfer(b *testbed, addr string, d direction, n int) error {
	c, err := b.connect(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte{byte(d)}); err != nil {
		return err
	}
	want := int64(n)
	if d == upload {
		if _, err := io.CopyN(c, zeros{}, want); err != nil {
			return err
		}
		want = 1
	}
	if got, err := io.CopyN(io.Discard, c, want); err != nil {
		return errors.Join(fmt.Errorf("the stream ended after %d of %d bytes", got, want), err)
	}
	return nil
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
