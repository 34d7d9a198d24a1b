package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A progress shows how far a transfer is: a bar that is drawn again and again on
// a terminal, and nothing before the end elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	every    time.Duration
}

// barWidth is that of a full bar in characters.
const barWidth = 30

// during calls work, and until it returns shows how much of total is done. The
// line is gone when it returns.
func (p progress) during(label string, total int64, done func() int64, work func() error) error {
	if !p.terminal {
		return work()
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(p.every)
		defer tick.Stop()
		for {
			fmt.Fprintf(p.w, "\r  %-26s %s", label, bar(done(), total))
			select {
			case <-tick.C:
			case <-stop:
				fmt.Fprint(p.w, "\r\x1b[K") // to the start, clear the line
				return
			}
		}
	}()
	err := work()
	close(stop)
	<-ended
	return err
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
