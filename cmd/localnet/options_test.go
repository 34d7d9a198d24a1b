package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	common "nym-socks5/internal/cli"
)

// hardening H34: "binding beyond loopback needs a second flag"
func TestH34SOCKSBeyondLoopbackNeedsASecondFlag(t *testing.T) {
	for _, tc := range []struct {
		text   string
		beyond bool
		want   string // empty: refused
	}{
		{"127.0.0.1:1080", false, "127.0.0.1:1080"},
		{"127.9.9.9:0", false, "127.9.9.9:0"},
		{"[::1]:1080", false, "[::1]:1080"},
		{"[::ffff:127.0.0.1]:1080", false, "[::ffff:127.0.0.1]:1080"},
		{"localhost:1080", false, "127.0.0.1:1080"},
		{"0.0.0.0:1080", false, ""},
		{"[::]:1080", false, ""},
		{":1080", false, ""},
		{"192.168.1.5:1080", false, ""},
		{"[::ffff:192.168.1.5]:1080", false, ""},
		{"0.0.0.0:1080", true, "0.0.0.0:1080"},
		{":1080", true, "[::]:1080"},
		{"192.168.1.5:1080", true, "192.168.1.5:1080"},
		{"1080", true, ""},
		{"127.0.0.1", true, ""},
		{"127.0.0.1:70000", true, ""},
		{"localhost:http", true, ""},
		{"gateway.example.com:1080", true, ""},
		{"", true, ""},
	} {
		got, err := parsePort("socks", tc.text, tc.beyond)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("parsePort(%q, %v) = %q, %v; want %q", tc.text, tc.beyond, got, err, tc.want)
		}
		if err != nil && common.ExitCode(err) != 2 {
			t.Errorf("parsePort(%q, %v): exit code %d, want %d", tc.text, tc.beyond, common.ExitCode(err), 2)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for _, name := range []string{"nym", "fast"} {
		if p, err := parseProfile(name); err != nil || p.name != name {
			t.Errorf("parseProfile(%q) = %+v, %v", name, p, err)
		}
	}
	if _, err := parseProfile("Nym"); common.ExitCode(err) != 2 {
		t.Errorf("parseProfile(%q): %v, want a usage error", "Nym", err)
	}
}

func TestLogIsJSONAwayFromTerminals(t *testing.T) {
	for _, tc := range []struct {
		level    string
		terminal bool
		lines    int // of the two below
	}{
		{"debug", false, 2}, {"warn", false, 1}, {"off", false, 0}, {"info", true, 1},
	} {
		var out bytes.Buffer
		log, err := newLog(&out, tc.terminal, tc.level)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug().Msg("first")
		log.Warn().Msg("second")
		if got := strings.Count(out.String(), "\n"); got != tc.lines {
			t.Errorf("level %s: %d lines, want %d: %s", tc.level, got, tc.lines, out.String())
		}
		for line := range strings.Lines(out.String()) {
			if json.Valid([]byte(line)) == tc.terminal {
				t.Errorf("terminal %v: %q", tc.terminal, line)
			}
		}
	}
	if _, err := newLog(new(bytes.Buffer), false, "trace"); common.ExitCode(err) != 2 {
		t.Errorf("level trace: %v, want a usage error", err)
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	err := errors.Join(errors.New("localnet: SOCKS port: gone"), errors.New("and\nmore"))
	if got, want := message(err), "SOCKS port: gone and more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := common.ExitCode(err); got != 1 {
		t.Errorf("exit code %d, want %d", got, 1)
	}
	if got := common.ExitCode(fmt.Errorf("read: %w", usagef("no"))); got != 2 {
		t.Errorf("exit code %d, want %d", got, 2)
	}
}
