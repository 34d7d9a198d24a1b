package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Off is the Duration of what shall never happen.
const Off Duration = -1

// A Duration is a time, written like "50ms" or "1h30m", or "off". It is never
// negative save for [Off].
type Duration time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(b []byte) error {
	if string(b) == "off" {
		*d = Off
		return nil
	}
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no time; write it like 50ms, 10s or 1h30m", b)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String gives the text form: "1m30s", "1h", "off".
func (d Duration) String() string {
	if d == Off {
		return "off"
	}
	s := time.Duration(d).String()
	if short, ok := strings.CutSuffix(s, "m0s"); ok {
		s = short + "m"
	}
	if short, ok := strings.CutSuffix(s, "h0m"); ok {
		s = short + "h"
	}
	return s
}

// Std gives d as a time.Duration; [Off] is negative.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// A Size is a number of bytes, written like "256MiB", "64KiB", "1GiB" or "512B".
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

var errSize = errors.New("write a size like 256MiB, 64KiB or 512B")

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Size) UnmarshalText(b []byte) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(string(b), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || n > uint64(math.MaxInt64/u.bytes) {
			return fmt.Errorf("%q is no size; %w", b, errSize)
		}
		*s = Size(n) * u.bytes
		return nil
	}
	return fmt.Errorf("%q has no unit; %w", b, errSize)
}

// MarshalText implements [encoding.TextMarshaler].
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String gives the text form in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return "0B"
}

// A Path is that of a file. In a configuration file it counts from the folder
// of that file, in a flag from the current one.
type Path string
