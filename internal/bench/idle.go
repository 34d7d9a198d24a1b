package bench

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// userTick is the unit of /proc/stat.
const userTick = 10 * time.Millisecond

// idleCPU is the time that the machine's cores together had nothing to do since
// it started; zero where that is not known.
func idleCPU() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	f := bytes.Fields(line) // cpu user nice system idle iowait …
	if len(f) < 6 {
		return 0
	}
	var idle int64
	for _, f := range f[4:6] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0
		}
		idle += n
	}
	return time.Duration(idle) * userTick
}
