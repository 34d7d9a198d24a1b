//go:build !js

// The suite knows the gateway too, which is not for browsers.

package client_test

import (
	"testing"

	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/storetest"
)

func TestMemoryStoreSuite(t *testing.T) {
	storetest.Client(t, func(*testing.T) func() client.Store {
		s := client.NewMemoryStore()
		return func() client.Store { return s }
	})
}
