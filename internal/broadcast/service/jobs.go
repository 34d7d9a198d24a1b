package service

import (
	"container/heap"
	"slices"
	"time"
)

// A job is a transaction without an outcome on disk. The loop owns it.
type job struct {
	key   Key
	rec   Record // as it is on disk, or will be
	of    *clientState
	state jobState
	tries int // in vain
	asked []asked
	done  *Record // the outcome, if there is one that the disk did not take
}

// asked is a request that waits for its answer.
type asked struct {
	of *clientState
	id string
}

type jobState uint8

// What a job does.
const (
	jobSaving  jobState = iota // the disk has yet to have it
	jobWaiting                 // its time has not come
	jobReady                   // it waits for its turn, or the node for an answer
)

func (s jobState) String() string {
	return [...]string{"saving", "waiting", "ready"}[s]
}

// pause is how long a job waits after so many questions in vain.
func pause(tries int, chance func() float64) time.Duration {
	d := retryMost
	if tries < 7 {
		d = min(d, retryFirst<<(tries-1))
	}
	return time.Duration(float64(d) * (0.5 + chance()))
}

// An agenda has the jobs that wait, the next one first.
type agenda []*job

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].rec.Due.Before(a[j].rec.Due) }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push and Pop are those of [heap.Interface].
func (a *agenda) Push(x any) { *a = append(*a, x.(*job)) }

func (a *agenda) Pop() any {
	last := len(*a) - 1
	j := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return j
}

// add puts a job where it waits until it is due.
func (a *agenda) add(j *job) {
	j.state = jobWaiting
	heap.Push(a, j)
}

// remove removes a job that waits.
func (a *agenda) remove(j *job) { heap.Remove(a, slices.Index(*a, j)) }

// next is when the next job is due; false: none waits.
func (a agenda) next() (time.Time, bool) {
	if len(a) == 0 {
		return time.Time{}, false
	}
	return a[0].rec.Due, true
}

// due takes a job that is; nil: there is none.
func (a *agenda) due(now time.Time) *job {
	if len(*a) == 0 || (*a)[0].rec.Due.After(now) {
		return nil
	}
	return heap.Pop(a).(*job)
}
