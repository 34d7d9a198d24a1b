package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"nym-socks5/mixnet/client"
)

// The figures of an idle network: six mixes, two gateways, two clients with
// Nym's pacing and cover, requester and SOCKS port, in a process of its own.
var footprintFigures = []Figure{
	{
		Name: "whole network, idle, resident memory", Unit: "MB", Goal: AtMost(150),
		Measure: func(l *Lab) (Value, error) {
			f, err := l.footprint()
			return Value{Measured: f.Resident / megabyte}, err
		},
	},
	{
		Name: "whole network, idle, CPU", Unit: "% of a core",
		Measure: func(l *Lab) (Value, error) {
			f, err := l.footprint()
			return Value{Measured: 100 * f.CPU}, err
		},
	},
}

// A footprint is what an idle network takes.
type footprint struct {
	Resident float64 // bytes, the most of all samples
	CPU      float64 // share of a core
}

// How long the idle network is watched, and how often.
const (
	footprintSamples = 20
	footprintEvery   = 500 * time.Millisecond
)

func (l *Lab) footprint() (footprint, error) {
	return once(l, "footprint", func() (footprint, error) {
		return withChild(l, childIdle, func(p *pipe) (f footprint, err error) {
			err = p.receive(&f)
			return f, err
		})
	})
}

// idleChild runs the network and reports once.
func idleChild(ctx context.Context, p *pipe) error {
	f, err := in(ctx, client.Traffic{}, func(*world) (f footprint, err error) {
		began, used := time.Now(), processCPU()
		for range footprintSamples {
			time.Sleep(footprintEvery)
			now, err := residentMemory()
			if err != nil {
				return f, err
			}
			f.Resident = max(f.Resident, now)
		}
		f.CPU = (processCPU() - used).Seconds() / time.Since(began).Seconds()
		return f, nil
	})
	if err != nil {
		return err
	}
	return p.send(f)
}

// residentMemory is this process's, in bytes.
func residentMemory() (float64, error) { return residentMemoryOf(os.Getpid()) }

// residentMemoryOf is that of a process, in bytes.
func residentMemoryOf(pid int) (float64, error) {
	file := fmt.Sprintf("/proc/%d/status", pid)
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("resident memory: %w", err)
	}
	_, rest, ok := bytes.Cut(b, []byte("\nVmRSS:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("resident memory: not in %s", file)
	}
	kb, err := strconv.ParseFloat(string(fields[0]), 64)
	return kb * 1024, err
}
