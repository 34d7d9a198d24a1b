package service_test

import (
	"testing"

	. "nym-socks5/internal/broadcast/service"
	"nym-socks5/mixnet/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Broadcasts(t, func(*testing.T) func() Store {
		s := NewMemoryStore()
		return func() Store { return s }
	})
}
