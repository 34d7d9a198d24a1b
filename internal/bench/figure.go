package bench

import (
	"fmt"
	"strconv"
)

// A Figure is one line of the table before it is measured.
type Figure struct {
	Name    string
	Unit    string // of what is measured and of the yardstick
	Goal    Goal
	Measure func(*Lab) (Value, error)
}

// A Value is what was measured and, where there is one, what the yardstick gave
// in the same run. A zero Yardstick means that there is none.
type Value struct{ Measured, Yardstick float64 }

// Ratio is how many times the yardstick was measured; zero without one.
func (v Value) Ratio() float64 {
	if v.Yardstick == 0 {
		return 0
	}
	return v.Measured / v.Yardstick
}

// A Goal is a bound on what is measured. The zero Goal is none: the figure is
// for information.
type Goal struct {
	kind  goalKind
	bound float64
}

type goalKind uint8

const (
	noGoal goalKind = iota
	atMost
	atLeast
	atMostTimes
	atLeastTimes
)

// AtMost bounds what is measured from above.
func AtMost(bound float64) Goal { return Goal{atMost, bound} }

// AtLeast bounds what is measured from below.
func AtLeast(bound float64) Goal { return Goal{atLeast, bound} }

// AtMostTimes bounds the ratio to the yardstick from above.
func AtMostTimes(bound float64) Goal { return Goal{atMostTimes, bound} }

// AtLeastTimes bounds the ratio to the yardstick from below.
func AtLeastTimes(bound float64) Goal { return Goal{atLeastTimes, bound} }

// String writes the goal as the table shows it; empty if there is none.
func (g Goal) String() string {
	n := strconv.FormatFloat(g.bound, 'f', -1, 64)
	switch g.kind {
	case atMost:
		return "<= " + n
	case atLeast:
		return ">= " + n
	case atMostTimes:
		return "<= " + n + "x"
	case atLeastTimes:
		return ">= " + n + "x"
	}
	return ""
}

// Met reports whether v reaches the goal; ok is false if there is no goal.
func (g Goal) Met(v Value) (met, ok bool) {
	switch g.kind {
	case atMost:
		return v.Measured <= g.bound, true
	case atLeast:
		return v.Measured >= g.bound, true
	case atMostTimes:
		return v.Yardstick > 0 && v.Ratio() <= g.bound, true
	case atLeastTimes:
		return v.Yardstick > 0 && v.Ratio() >= g.bound, true
	}
	return false, false
}

// figures are all there are, by topic.
func figures() (all []Figure) {
	for _, topic := range [][]Figure{
		packetFigures, relayFigures, transferFigures, apartFigures, pacingFigures, latencyFigures, messageFigures, footprintFigures, stalledFigures,
		mailFigures, listsFigures, sessionsFigures, startFigures, floodFigures,
	} {
		all = append(all, topic...)
	}
	return all
}

// row judges what was measured.
func (f *Figure) row(v Value) Row {
	r := Row{Figure: f.Name, Goal: f.Goal.String(), Measured: v.Measured, Unit: f.Unit}
	if v.Yardstick != 0 {
		ratio := v.Ratio()
		r.Yardstick, r.Ratio = &v.Yardstick, &ratio
	}
	if met, ok := f.Goal.Met(v); ok {
		r.Met = &met
	}
	return r
}

// measure measures one figure.
func (f *Figure) measure(l *Lab) (Row, error) {
	v, err := f.Measure(l)
	if err != nil {
		return Row{}, fmt.Errorf("bench: %s: %w", f.Name, err)
	}
	return f.row(v), nil
}
