package trace

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"nym-socks5/mixnet/sphinx"
)

// A Summary counts Records. The zero Summary is empty.
type Summary struct {
	Packets int                       `json:"packets"`
	Partial int                       `json:"partial"` // of them, not seen on their last link
	Counts  map[string]map[string]int `json:"counts"`  // by name and value of their Fields
	// Delays at each hop but the last: what packets asked for, how long they
	// were out of sight there, and what their SURB-ACKs asked for.
	Asked    [sphinx.MaxHops]Mean `json:"asked"`
	Waited   [sphinx.MaxHops]Mean `json:"waited"`
	SURBAcks [sphinx.MaxHops]Mean `json:"surb_acks"`

	names []string // of the fields, in order of appearance
}

// A Mean is one in the making: of N durations with that sum, in nanoseconds in JSON.
type Mean struct {
	N   int           `json:"n"`
	Sum time.Duration `json:"sum"`
}

func (m *Mean) add(d time.Duration) { m.N++; m.Sum += d }

// Mean is zero for none.
func (m Mean) Mean() time.Duration { return m.Sum / time.Duration(max(m.N, 1)) }

// Add counts a Record.
func (s *Summary) Add(r Record) {
	s.Packets++
	if !r.Whole() {
		s.Partial++
	}
	if s.Counts == nil {
		s.Counts = make(map[string]map[string]int)
	}
	for _, f := range r.Fields() {
		if s.Counts[f.Name] == nil {
			s.Counts[f.Name] = make(map[string]int)
			s.names = append(s.names, f.Name)
		}
		s.Counts[f.Name][f.Value]++
	}
	for i, l := range r.Layers {
		if l.Final {
			continue
		}
		s.Asked[i].add(l.Delay)
		if i < r.Seen-1 {
			s.Waited[i].add(l.Waited)
		}
	}
	if r.Ack == nil {
		return
	}
	for i, l := range r.Ack.Layers {
		if !l.Final {
			s.SURBAcks[i].add(l.Delay)
		}
	}
}

// Print writes how many packets had which value of each field, the most
// frequent first, and the mean delays.
func (s *Summary) Print(w io.Writer) {
	fmt.Fprintf(w, "%d packets, of them %d not followed to their exit\n\n", s.Packets, s.Partial)
	for _, name := range s.names {
		counts := s.Counts[name]
		values := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
		})
		for _, v := range values {
			fmt.Fprintf(w, "  %-24s %7d  %s\n", name, counts[v], v)
			name = ""
		}
	}
	fmt.Fprintf(w, "\nMean delay at each hop:\n\n")
	for _, row := range []struct {
		what  string
		means [sphinx.MaxHops]Mean
	}{
		{"asked for", s.Asked},
		{"until seen behind it", s.Waited},
		{"asked for in SURB-ACKs", s.SURBAcks},
	} {
		fmt.Fprintf(w, "  %-24s", row.what)
		for _, m := range row.means {
			if m.N > 0 {
				fmt.Fprintf(w, " %9.2f ms", m.Mean().Seconds()*1000)
			}
		}
		fmt.Fprintln(w)
	}
}
