package config

import (
	"errors"
	"strings"
	"testing"
)

func TestBroadcasterRefuses(t *testing.T) {
	for key, value := range map[string]string{
		"delay": "25h", "retry_for": "1ms", "timeout": "0s", "max_calls": "0", "max_transaction": "5MiB",
		"max_requests_per_minute": "0", "max_requests_per_second": "-1", "queue": "2047KiB", "keep_for": "off", "keep": "1B",
	} {
		c := NewBroadcaster()
		set(t, c, "broadcaster."+key, value)
		if err := c.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "broadcaster."+key) {
			t.Errorf("%s = %s: got %v", key, value, err)
		}
	}
	c := NewBroadcaster()
	if err := c.Missing(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "--chain") {
		t.Errorf("without chains: got %v", err)
	}
	set(t, c, "broadcaster.chains", "x post http://127.0.0.1/")
	set(t, c, "broadcaster.delay", "off")
	set(t, c, "broadcaster.retry_for", "off")
	set(t, c, "network.topology", "/etc/topology.json")
	if err := errors.Join(c.Check(), c.Missing()); err != nil {
		t.Error(err)
	}
}
