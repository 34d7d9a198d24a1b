package proxy

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestOutboxCoalesces(t *testing.T) {
	now := time.Unix(0, 0)
	const delay = 3 * time.Millisecond
	o := outbox{head: 2, chunk: 5}
	next := func(at time.Duration, allowance uint64) (string, time.Duration) {
		msg, when := o.next(now.Add(at), delay, allowance)
		if msg == nil {
			if when.IsZero() {
				return "", -1
			}
			return "", when.Sub(now)
		}
		return string(msg[2:]), 0
	}
	want := func(msg string, when time.Duration) func(string, time.Duration) {
		t.Helper()
		return func(gotMsg string, gotWhen time.Duration) {
			t.Helper()
			if gotMsg != msg || gotWhen != when {
				t.Errorf("got %q at %v, want %q at %v", gotMsg, gotWhen, msg, when)
			}
		}
	}
	want("", -1)(next(0, 99)) // nothing there
	o.write([]byte("?"))
	want("?", 0)(next(0, 99)) // the stream was quiet
	o.write([]byte("ab"))
	want("", delay)(next(time.Millisecond, 99)) // waits for more
	o.write([]byte("cdefg"))
	want("abcde", 0)(next(time.Millisecond, 99)) // full
	want("", 4*time.Millisecond)(next(time.Millisecond, 99))
	want("", -1)(next(4*time.Millisecond, 1)) // not allowed
	want("fg", 0)(next(4*time.Millisecond, 2))
	o.write([]byte("h"))
	o.hasten = true
	want("h", 0)(next(5*time.Millisecond, 99)) // nothing more will come
	if o.sent != 9 || !o.empty() {
		t.Errorf("sent %d, empty %v, want 9, true", o.sent, o.empty())
	}
}

// What waits is bounded; what does not fit is not taken.
func TestOutboxBounded(t *testing.T) {
	o := outbox{head: 1, chunk: 10}
	n := o.write(noise(1000))
	if n != 10*maxFull || o.room() {
		t.Errorf("took %d, want %d", n, 10*maxFull)
	}
	if n := o.write([]byte("x")); n != 0 {
		t.Errorf("took %d more", n)
	}
	if _, _ = o.next(time.Time{}, 0, math.MaxUint64); !o.room() {
		t.Error("no room after a message left")
	}
	if o.offer(noise(5)) || !o.offer(noise(11)) || o.offer(noise(11)) {
		t.Error("offer takes what is not full, refuses what is, or goes beyond the bound")
	}
	o.drop()
	o.write([]byte("x"))
	if o.offer(noise(11)) {
		t.Error("a message overtook data")
	}
	if msg, _ := o.next(time.Time{}, 0, 99); !bytes.Equal(msg[1:], []byte("x")) {
		t.Errorf("got %q, want x", msg)
	}
}
