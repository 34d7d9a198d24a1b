package config

import (
	"errors"
	"strings"
	"testing"
)

func TestDirectoryRefuses(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"log.level", "inof", `(did you mean "info"?)`},
		{"directory.listen", "", "not set"},
		{"directory.url", "directory.example.org", "write it like https://"},
		{"directory.url", "ftp://directory.example.org", "write it like https://"},
		{"directory.tls_key", "key.pem", "only one is set"},
		{"directory.tls_certificate", "certificate.pem", "only one is set"},
		{"times.period", "25h", "it can be 1s to 24h"},
		{"times.lease", "10ms", "times.lease"},
		{"times.epoch", "1500ms", "whole seconds"},
		{"times.epoch", "off", "times.epoch"},
		{"times.rotation_epochs", "0", "it can be 2 to 1000000"},
		{"times.rotation_epochs", "1", "a node has two Sphinx keys at a time"},
		{"times.valid_for", "10s", "shorter than times.period"},
		{"limits.read_rate", "0", "limits.read_rate"},
		{"limits.announce_rate", "-1", "limits.announce_rate"},
		{"limits.max_connections", "0", "limits.max_connections"},
	} {
		d := NewDirectory()
		set(t, d, c.key, c.value)
		if err := d.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %q: %v, want %q in it", c.key, c.value, err, c.want)
		}
	}
	if got := Common(NewDirectory()).Log; got != NewDirectory().Log {
		t.Errorf("the log of all programs is %+v", got)
	}
}

func TestDirectoryNeedsAName(t *testing.T) {
	d := NewDirectory()
	set(t, d, "directory.name", "testnet")
	if err := d.Missing(); err != nil {
		t.Error(err)
	}
}
