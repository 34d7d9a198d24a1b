package endpoint

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex // guards the following
		addrs, offset, told := []string{"192.0.2.1/24"}, time.Duration(0), 0
		locked := func(f func()) {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			watchMachine(ctx, func() (now []string) {
				locked(func() { now = addrs })
				return now
			}, func() (now time.Time) {
				locked(func() { now = wallClock().Add(offset) })
				return now
			}, func() { locked(func() { told++ }) })
		}()
		want := func(what string, n int) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			locked(func() {
				if told != n {
					t.Errorf("%s: told %d times, want %d", what, told, n)
				}
				told = 0
			})
		}
		want("nothing happens", 0)
		locked(func() { addrs = []string{"198.51.100.7/24"} })
		want("another network", 1)
		locked(func() { addrs = nil })
		want("no network", 1)
		locked(func() { offset = time.Hour })
		want("the machine slept", 1)
		locked(func() { offset = -time.Hour })
		want("the clock was set back", 1)
		locked(func() { offset += time.Second })
		want("the clock was set right a little", 0)
		cancel()
		<-ended
	})
}
