package endpoint

import (
	"context"
	"slices"
	"time"
)

// watchMachine calls changed when this machine's addresses are others than
// before, and when its wall clock jumped: it slept, or was set. Then connections
// that look alive may be dead. It returns when ctx ends.
func watchMachine(ctx context.Context, addrs func() []string, wall func() time.Time, changed func()) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	have, at, on := addrs(), wall(), time.Now()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		haveNow, atNow, onNow := addrs(), wall(), time.Now()
		slept := (atNow.Sub(at) - onNow.Sub(on)).Abs() > jump
		if slept || !slices.Equal(have, haveNow) {
			changed()
		}
		have, at, on = haveNow, atNow, onNow
	}
}

// wallClock is the time of day, which may jump.
func wallClock() time.Time { return time.Now().Round(0) }
