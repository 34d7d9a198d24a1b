package proxy

import (
	"context"
	"sync"
)

// A controlQueue sends the small messages that neither the reader nor an application
// may wait for: notes, answers to queries, stock orders. Jobs are done one
// after the other, each within a bounded time; when too many wait, more are
// refused.
type controlQueue struct {
	mu   sync.Mutex
	jobs []func(context.Context)
	wake chan struct{} // holds one; more are dropped, since one is enough
}

// add hands over a job. It reports false if it was refused.
func (k *controlQueue) add(job func(context.Context)) bool {
	k.mu.Lock()
	if len(k.jobs) >= controlJobs {
		k.mu.Unlock()
		return false
	}
	k.jobs = append(k.jobs, job)
	k.mu.Unlock()
	poke(k.wake)
	return true
}

// run does jobs until ctx ends.
func (k *controlQueue) run(ctx context.Context) {
	for {
		k.mu.Lock()
		jobs := k.jobs
		k.jobs = nil
		k.mu.Unlock()
		for _, job := range jobs {
			limited, cancel := context.WithTimeout(ctx, controlPatience)
			job(limited)
			cancel()
		}
		if len(jobs) > 0 {
			continue
		}
		select {
		case <-k.wake:
		case <-ctx.Done():
			return
		}
	}
}

// poke makes the one who waits for c look again.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
