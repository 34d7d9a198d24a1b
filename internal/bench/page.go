package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// A Machine is what figures were measured on.
type Machine struct {
	CPU       string
	Cores     int
	OS, Arch  string
	GoVersion string
}

// ThisMachine describes the one we run on.
func ThisMachine() Machine {
	return Machine{CPU: cpuModel(), Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, GoVersion: runtime.Version()}
}

// cpuModel names the processor, where the system says.
func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

const pageHead = `# Benchmarks

Written by ` + "`make bench`" + `, together with benchmarks.json. Measured on %s, %d cores, %s/%s, %s.

Each figure stands beside a yardstick that was measured in the same run: for packets the shortest code that does
the same with the fastest single-packet parts there are, without vector instructions; for stored mail a page
written and synced on the same disk; for handing mail over the same bytes on bare TCP; for a directory a handler
that has only the bytes; for a session a bare connection; for a start the same program saying how it was built. nym-socks5 is
ready when a requester has answered it, six hops away and back, and the other programs when they are connected. Figures of CPU time are medians of
slices in which product and yardstick take turns; figures of the whole network are wall-clock time over loopback
TCP, with client, gateways, mixes, requester, target and whoever measures on the same cores. They move with what
else the machine does (see the rows on cores that others used); the ratios move least. Rows without a goal are
for information. ` + "`go doc ./internal/bench`" + ` says how it is done. [Pages](benchmarks-web.md) and
[streams in virtual time](benchmarks-virtual.md) have figures of their own.

`

// WriteMarkdown writes rows as a page for docs.
func WriteMarkdown(w io.Writer, rows []Row, m Machine) error {
	var b strings.Builder
	fmt.Fprintf(&b, pageHead, m.CPU, m.Cores, m.OS, m.Arch, m.GoVersion)
	b.WriteString("| figure | goal | measured | unit | yardstick | ratio | met |\n|---|---|---:|---|---:|---:|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n",
			r.Figure, dash(r.Goal), number(r.Measured), r.Unit, optional(r.Yardstick), optional(r.Ratio), met(r.Met))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
