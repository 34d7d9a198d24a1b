package directory

import (
	"context"
	"testing"
)

func TestClientConfigRefused(t *testing.T) {
	for name, cfg := range map[string]ClientConfig{
		"no URL":   {},
		"no fetch": {URLs: []string{"http://a.org"}},
		"scheme":   {URLs: []string{"ftp://a.org"}},
		"password": {URLs: []string{"http://a:b@a.org"}},
		"query":    {URLs: []string{"http://a.org/?x"}},
		"refresh":  {URLs: []string{"http://a.org"}, Refresh: -1},
	} {
		if name != "no fetch" {
			cfg.Fetch = func(context.Context, Request) (Response, error) { return Response{}, nil }
		}
		if _, err := NewClient(cfg); err == nil {
			t.Errorf("client, %s: accepted", name)
		}
	}
}
