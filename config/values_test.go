package config

import (
	"testing"
	"time"
)

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"50ms": 50 * time.Millisecond, "0s": 0, "1h": time.Hour, "24h": 24 * time.Hour, "2m": 2 * time.Minute,
		"1h30m": 90 * time.Minute, "1h0m5s": time.Hour + 5*time.Second, "20m": 20 * time.Minute, "off": -1,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%s is %v, %v; want %v", text, d.Std(), err, want)
		}
		if d.String() != text {
			t.Errorf("%s is written %s", text, d)
		}
	}
	for _, text := range []string{"", "5", "-1ns", "-1s", "Off", "1 s", "1d"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v, want an error", text, d)
		}
	}
}

func TestSizeText(t *testing.T) {
	for text, want := range map[string]Size{"0B": 0, "1B": 1, "1025B": 1025, "64KiB": 64 << 10, "256MiB": 256 << 20, "3GiB": 3 << 30} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s is %d, %v; want %d", text, s, err, want)
		}
		if s.String() != text {
			t.Errorf("%s is written %s", text, s)
		}
	}
	for _, text := range []string{"", "1", "MiB", "-1MiB", "1MB", "1.5GiB", "1 MiB", "9223372036854775807KiB", "+1B"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d, want an error", text, s)
		}
	}
}

func TestClosest(t *testing.T) {
	known := []string{"version", "log", "log.level", "socks.listen", "socks.optimistic", "mix.listen"}
	for word, want := range map[string]string{
		"versoin": "version", "log.levle": "log.level", "lgo": "log", "sock.listen": "socks.listen",
		"optimistic": "socks.optimistic", "front.optimistic": "socks.optimistic",
		"nothing_like_it": "", "": "",
	} {
		if got, _ := Closest(word, known); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzDistance(f *testing.F) {
	f.Add("listen", "lisetn")
	f.Fuzz(func(t *testing.T, a, b string) {
		d := distance(a, b)
		if d != distance(b, a) {
			t.Fatalf("distance(%q, %q) is not symmetric", a, b)
		}
		if len(a) <= maxWord && len(b) <= maxWord && ((d == 0) != (a == b) || d > max(len(a), len(b))) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}
