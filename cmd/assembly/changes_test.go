package assembly

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		addrs, offset, told := []string{"192.0.2.1/24"}, time.Duration(0), 0
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			changes(ctx, func() []string { return addrs }, func() time.Time { return wallClock().Add(offset) }, func() { told++ })
		}()
		want := func(what string, n int) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if told != n {
				t.Errorf("%s: told %d times, want %d", what, told, n)
			}
			told = 0
		}
		want("nothing happens", 0)
		addrs = []string{"198.51.100.7/24"}
		want("another network", 1)
		addrs = nil
		want("no network", 1)
		offset = time.Hour
		want("the machine slept", 1)
		offset = -time.Hour
		want("the clock was set back", 1)
		offset += time.Second
		want("the clock was set right a little", 0)
		cancel()
		<-ended
	})
}
