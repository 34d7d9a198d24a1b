package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// A Row is a figure that was measured.
type Row struct {
	Figure    string   `json:"figure"`
	Goal      string   `json:"goal"` // empty: for information
	Measured  float64  `json:"measured"`
	Unit      string   `json:"unit"`
	Yardstick *float64 `json:"yardstick"` // in the same unit; nil: there is none
	Ratio     *float64 `json:"ratio"`     // measured by yardstick
	Met       *bool    `json:"met"`       // nil: no goal
}

// WriteTable writes rows as a table for people.
func WriteTable(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tGOAL\tMEASURED\tUNIT\tYARDSTICK\tRATIO\tMET")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Figure, dash(r.Goal), number(r.Measured), r.Unit, optional(r.Yardstick), optional(r.Ratio), met(r.Met))
	}
	return t.Flush()
}

// WriteJSON writes rows as a list of objects, numbers to four digits.
func WriteJSON(w io.Writer, rows []Row) error {
	out := make([]Row, len(rows))
	for i, r := range rows {
		r.Measured = rounded(r.Measured)
		for _, v := range []**float64{&r.Yardstick, &r.Ratio} {
			if *v != nil {
				short := rounded(**v)
				*v = &short
			}
		}
		out[i] = r
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(r io.Reader) (rows []Row, err error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	err = d.Decode(&rows)
	return rows, err
}

// rounded keeps four digits: there is no more in a measurement.
func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v
	}
	return r
}

func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func optional(v *float64) string {
	if v == nil {
		return "-"
	}
	return number(*v)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func met(m *bool) string {
	switch {
	case m == nil:
		return "-"
	case *m:
		return "yes"
	}
	return "NO"
}
