package ops

import (
	"strconv"
	"strings"
	"time"
)

// A Report is how a program fares at one moment. It must not tell who talks to whom.
type Report struct {
	State string    // what it does, such as "mixing"
	Since time.Time // when State became what it is
	Up    time.Time // when the program started
	// Waits is what keeps it from being of use, such as "a session with a gateway";
	// empty: nothing does.
	Waits  string
	Facts  []Fact  // for people: what changes rarely, such as the gateway in use
	Counts []Count // for both: read once a minute
}

// A Fact is one line of a status.
type Fact struct{ Name, Value string }

// A Count is a number: a counter since the start, or a gauge.
type Count struct {
	Name  string // of the metric, without the prefix: letters, digits and underscores
	Help  string // one sentence, with the unit
	Gauge bool   // may fall; else it only grows
	Value float64
	Label string // value of the one label that a family of metrics may have; empty: none
	Of    string // name of that label, such as "reason"
}

// prefix begins the names of all metrics.
const prefix = "nymsocks5_"

// exposition is the type of the text that appendMetrics makes.
const exposition = "text/plain; version=0.0.4; charset=utf-8"

// appendMetrics writes counts in Prometheus' text format, version 0.0.4. Counts of one
// name stand together; their help and kind are those of the first.
func appendMetrics(b []byte, counts []Count) []byte {
	told := make(map[string]bool)
	for i, first := range counts {
		if told[first.Name] {
			continue
		}
		told[first.Name] = true
		kind := "counter"
		if first.Gauge {
			kind = "gauge"
		}
		b = append(b, "# HELP "+prefix+first.Name+" "+helpText.Replace(first.Help)+"\n"...)
		b = append(b, "# TYPE "+prefix+first.Name+" "+kind+"\n"...)
		for _, n := range counts[i:] {
			if n.Name != first.Name {
				continue
			}
			b = append(b, prefix+n.Name...)
			if n.Of != "" {
				b = append(b, "{"+n.Of+`="`+labelText.Replace(n.Label)+`"}`...)
			}
			b = append(b, ' ')
			b = strconv.AppendFloat(b, n.Value, 'g', -1, 64)
			b = append(b, '\n')
		}
	}
	return b
}

// What stands for itself in neither of the two.
var (
	helpText  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)
