package config

import (
	"errors"
	"strings"
	"testing"
)

// hardening.md H34: "binding beyond loopback needs a second flag".
func TestH34WebSocketBeyondLoopbackNeedsASecondFlag(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:1977", "[::]:1977", "192.0.2.1:1977"} {
		c := NewNymClient()
		set(t, c, "websocket.listen", addr)
		if err := c.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "--beyond-loopback") {
			t.Errorf("%s: got %v", addr, err)
		}
		set(t, c, "websocket.beyond_loopback", "true")
		if err := c.Check(); err != nil {
			t.Errorf("%s, and meant: %v", addr, err)
		}
	}
	c := NewNymClient()
	set(t, c, "websocket.listen", "[::1]:0")
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

func TestNymClientRefuses(t *testing.T) {
	for _, bad := range []struct{ key, value, want string }{
		{"websocket.origins", "localhost", "websocket.origins"},
		{"websocket.origins", "null", "websocket.origins"},
		{"websocket.origins", "*", "websocket.origins"},
		{"websocket.origins", "http://localhost:3000/", "websocket.origins"},
		{"websocket.max_connections", "0", "websocket.max_connections"},
		{"websocket.keep", "1B", "websocket.keep"},
		{"client.hop_delay", "0s", "client.hop_delay"},
	} {
		c := NewNymClient()
		set(t, c, bad.key, bad.value)
		if err := c.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s = %s: got %v", bad.key, bad.value, err)
		}
	}
	c := NewNymClient()
	set(t, c, "websocket.origins", "http://localhost:3000", "https://app.example")
	set(t, c, "network.topology", "/etc/topology.json")
	if err := errors.Join(c.Check(), c.Missing()); err != nil {
		t.Error(err)
	}
}
