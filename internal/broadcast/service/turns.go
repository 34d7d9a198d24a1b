package service

import "slices"

// turns are the tasks that wait for a node. Clients take turns. The loop owns them.
type turns struct {
	ring  []*queue
	by    map[*clientState]*queue
	count int
}

// A queue is one client's.
type queue struct {
	of    *clientState
	tasks []task
}

// A task is something to be asked of a node.
type task struct {
	of   *clientState
	do   func() event // beside the loop
	lost func()       // what the loop does where there is no place for it
}

func newTurns() *turns { return &turns{by: make(map[*clientState]*queue)} }

// add adds a task. Where there are too many, the client with most loses its latest.
func (t *turns) add(x task) {
	q := t.by[x.of]
	if q == nil {
		q = &queue{of: x.of}
		t.by[x.of] = q
		t.ring = append(t.ring, q)
	}
	q.tasks = append(q.tasks, x)
	x.of.waits++
	if t.count++; t.count <= maxWaiting {
		return
	}
	for _, other := range t.ring {
		if len(other.tasks) > len(q.tasks) {
			q = other
		}
	}
	last := q.tasks[len(q.tasks)-1]
	q.tasks = q.tasks[:len(q.tasks)-1]
	t.left(q, slices.Index(t.ring, q))
	last.lost()
}

// next gives what is to be done next; false: nothing waits.
func (t *turns) next() (task, bool) {
	if len(t.ring) == 0 {
		return task{}, false
	}
	q := t.ring[0]
	x := q.tasks[0]
	q.tasks = q.tasks[1:]
	t.ring = append(t.ring[1:], q)
	t.left(q, len(t.ring)-1)
	return x, true
}

// left counts a task that has left the queue at a place of the ring.
func (t *turns) left(q *queue, at int) {
	t.count--
	q.of.waits--
	if len(q.tasks) == 0 {
		t.ring = slices.Delete(t.ring, at, at+1)
		delete(t.by, q.of)
	}
}
