package proxy

import (
	"testing"
	"time"
)

// hardening.md H14: "tags of open streams keep theirs": the tag of a stranger is
// pinned from its first stream until a moment after its last.
func TestH14Pins(t *testing.T) {
	inWorld(t, smooth, Config{}, Config{}, echo(t), func(t *testing.T, w *world) {
		pinned := func(what string, want int) {
			t.Helper()
			if got := w.B.Pinned(); got != want {
				t.Errorf("%s: %d tags are pinned, want %d", what, got, want)
			}
		}
		one, two := w.dial(DialOptions{}), w.dial(DialOptions{})
		other := w.dial(DialOptions{Isolation: "other"})
		pinned("three streams of two tags", 2)
		time.Sleep(time.Minute)
		pinned("a minute later", 2)
		one.Close()
		other.Close()
		time.Sleep(time.Minute)
		pinned("when one tag has a stream", 1)
		again := w.dial(DialOptions{Isolation: "other"})
		pinned("when the other has one again", 2)
		two.Close()
		again.Close()
		time.Sleep(time.Minute)
		pinned("without streams", 0)
	})
}
