package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A progress shows how far a transfer is: a bar that is drawn again and again on
// a terminal, and elsewhere a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	every    time.Duration // between two looks; zero: there are none
}

// newProgress makes one that writes as often as its reader can follow.
func newProgress(w io.Writer) progress {
	if w == os.Stdout && isTerminal(os.Stdout) {
		return progress{w: w, terminal: true, every: 100 * time.Millisecond}
	}
	return progress{w: w, every: 2 * time.Second}
}

// barWidth is that of a full bar in characters.
const barWidth = 30

// during calls work, and until it returns shows how much of total is done, how
// fast, and how long the rest will take. A bar is gone when it returns.
func (p progress) during(label string, total int64, done func() int64, work func() error) error {
	began := time.Now()
	show := func() string {
		n := done()
		return fmt.Sprintf("  %-26s %s%s", label, bar(n, total), pace(n, total, time.Since(began)))
	}
	if p.terminal {
		return p.live(show, work)
	}
	return p.repeat(func() { fmt.Fprintln(p.w, show()) }, func() {}, work)
}

// live shows a line of a terminal again and again until work returns; then it is gone.
func (p progress) live(show func() string, work func() error) error {
	draw := func() { fmt.Fprintf(p.w, "\r%s\x1b[K", show()) } // over the one before, and clear what is left of it
	draw()
	return p.repeat(draw, func() { fmt.Fprint(p.w, clearLine) }, work)
}

// clearLine takes a terminal's cursor to the beginning of its line, and clears it.
const clearLine = "\r\x1b[K"

// aboveLive writes lines on a terminal where a live line may stand: that gives way,
// and is drawn anew below.
type aboveLive struct{ w io.Writer }

// Write implements [io.Writer] for whole lines.
func (a aboveLive) Write(line []byte) (int, error) {
	if _, err := a.w.Write(append([]byte(clearLine), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// repeat calls draw now and then until work returns, and then last.
func (p progress) repeat(draw, last func(), work func() error) error {
	if p.every == 0 {
		return work()
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(p.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				draw()
			case <-stop:
				last()
				return
			}
		}
	}()
	err := work()
	close(stop)
	<-ended
	return err
}

// pace tells how fast done of total came, and how long the rest will take; nothing
// before there is something to tell.
func pace(done, total int64, took time.Duration) string {
	if done <= 0 || took <= 0 {
		return ""
	}
	left := time.Duration(float64(took) * float64(max(0, total-done)) / float64(done))
	return fmt.Sprintf("  %s, %s left", rate(done, took), seconds(left))
}

// bar draws done of total.
func bar(done, total int64) string {
	if total <= 0 {
		total = 1
	}
	done = min(max(done, 0), total)
	full := int(done * barWidth / total)
	return fmt.Sprintf("[%s%s] %3d %%", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), done*100/total)
}

// size tells a number of bytes as people do.
func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%d B", n)
	}
}

// rate tells how many bytes a second n bytes in d are.
func rate(n int64, d time.Duration) string {
	if d <= 0 {
		d = time.Nanosecond
	}
	return size(int64(float64(n)/d.Seconds())) + "/s"
}

// seconds tells a duration in a few digits.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
