package assembly

import (
	"context"
	"net"
	"slices"
	"time"
)

// Habits of who watches for changes below the connections.
const (
	lookEvery = 3 * time.Second
	jump      = 10 * time.Second // of the wall clock against the one that only goes on
)

// changes calls changed when this machine's addresses are others than before, and
// when its wall clock jumped: it slept, or was set. Then connections that look
// alive may be dead. It returns when ctx ends.
func changes(ctx context.Context, addrs func() []string, wall func() time.Time, changed func()) {
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

// ownAddrs lists the addresses of this machine, sorted. Those that nothing beyond
// it is reached from are left out.
func ownAddrs() (all []string) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			all = append(all, ip.String())
		}
	}
	slices.Sort(all)
	return all
}
