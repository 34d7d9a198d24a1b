package mixnode

import (
	"errors"
	"io/fs"
	"sync"
	"time"

	"nym-socks5/mixnet/sphinx"
)

// ReplayTagSize is the size of a ReplayTag in bytes.
const ReplayTagSize = 8

// A ReplayTag is what a node remembers of a packet's replay tag: its first 64
// bits. Who grinds two packets of the same only loses the second.
type ReplayTag [ReplayTagSize]byte

func replayTag(t *[sphinx.TagSize]byte) ReplayTag { return ReplayTag(t[:ReplayTagSize]) }

// A ReplayLog keeps the tags of the packets seen under one key where they
// outlive the process (H18). Load is called once, before the first Append; then
// there may be several calls at a time.
type ReplayLog interface {
	// Clean reports whether the log has all tags ever appended. If it has not,
	// its key must not be used any more.
	Clean() bool
	// Load gives all tags in the log.
	Load(see func(ReplayTag)) error
	// Append stores tags. When it returns nil they survive the end of the
	// process; and that of the machine, or else the log is not clean after it. It
	// does not keep the slice. After the log was closed, because its key is
	// retired, the error wraps [fs.ErrClosed].
	Append([]ReplayTag) error
	// Waits reports whether every Append waits for a disk, as it does for a log
	// that is clean even after the end of the machine. It may change from false to
	// true.
	Waits() bool
}

// ErrTagsLost reports a key whose replay log is not clean: packets seen under it
// could be sent again. The node needs a new key.
var ErrTagsLost = errors.New("mixnode: replay log has lost tags, the key must be replaced")

// A held packet was unwrapped and goes on when its tag is in the log.
type held struct {
	b     *buffer
	seen  *filter // of its key; nil once the log was asked
	tag   ReplayTag
	since time.Time // when it was unwrapped
	final Delivered // if it ends here
	why   error     // its tag could not be written
}

// A recorder stands between the workers and the rest of a packet's way if its
// key has a replay log that waits for a disk: packets wait until their tags are
// there. All that come while the disk is busy share the next write.
//
//	worker ─▶ held ── every 2 ms: one Append ──▶ delay wheel, link, Deliver
//	               └─ it failed: dropped, counted, and the operator is told
//
// Logs that do not wait are written to by the workers, and then nothing comes here.
type recorder struct {
	node *Node
	wake chan struct{} // one token: something is held

	mu    sync.Mutex // guards the following
	held  []held
	bytes int

	// Owned by run.
	batch []held
	tags  []ReplayTag
}

// push takes a worker's packets; those beyond the bound are dropped.
func (r *recorder) push(w *worker) {
	if len(w.held) == 0 {
		return
	}
	now := time.Now()
	r.mu.Lock()
	for i, h := range w.held {
		w.held[i] = held{}
		if r.bytes+len(h.b.data) > recordBytes {
			w.drop(h.b, DropReplayLog)
			continue
		}
		h.since = now
		r.bytes += len(h.b.data)
		r.held = append(r.held, h)
	}
	r.mu.Unlock()
	w.held = w.held[:0]
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run writes tags and lets their packets go on. When stop is closed, no worker
// may push any more; what is held then still goes on.
func (r *recorder) run(stop <-chan struct{}) {
	w := newWorker(r.node)
	pause := time.NewTimer(recordEvery)
	defer pause.Stop()
	for {
		select {
		case <-r.wake:
			r.flush(w)
		case <-stop:
			r.flush(w)
			return
		}
		pause.Reset(recordEvery)
		select {
		case <-pause.C:
		case <-stop:
		}
	}
}

// flush deals with all that is held.
func (r *recorder) flush(w *worker) {
	r.mu.Lock()
	r.batch, r.held = r.held, r.batch[:0]
	r.bytes = 0
	r.mu.Unlock()
	r.write()
	for i := range r.batch {
		w.resume(&r.batch[i])
		r.batch[i] = held{}
	}
	w.node.delay.push(w)
	w.out.Flush()
	w.report()
}

// write appends the batch's tags, with one call for each log.
func (r *recorder) write() {
	for i := range r.batch {
		seen := r.batch[i].seen
		if seen == nil {
			continue
		}
		r.tags = r.tags[:0]
		for j := range r.batch[i:] {
			if h := &r.batch[i+j]; h.seen == seen {
				r.tags = append(r.tags, h.tag)
			}
		}
		err := seen.log.Append(r.tags)
		for j := range r.batch[i:] {
			if h := &r.batch[i+j]; h.seen == seen {
				h.seen, h.why = nil, err
			}
		}
	}
}

// resume lets a packet go on whose tag was written, or drops it.
func (w *worker) resume(h *held) {
	switch {
	case errors.Is(h.why, fs.ErrClosed):
		w.drop(h.b, DropExpired) // its key was retired meanwhile
	case h.why != nil:
		w.drop(h.b, DropReplayLog)
		w.node.alarm("replay log cannot be written, packets are refused", h.why)
	case h.final.buffer != nil:
		w.deliver(h.final)
	case h.b.deadline == 0:
		w.send(h.b)
	default:
		// What it waited here counts. Should that have been too long, it still
		// leaves by the wheel, in no order.
		h.b.deadline = max(0, h.b.deadline-time.Since(h.since))
		w.delayed = append(w.delayed, h.b)
	}
}
