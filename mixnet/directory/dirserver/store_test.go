package dirserver_test

import (
	"testing"

	"nym-socks5/mixnet/directory/dirserver"
	"nym-socks5/mixnet/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Directory(t, func(*testing.T) func() dirserver.Store {
		s := dirserver.NewMemoryStore()
		return func() dirserver.Store { return s }
	})
}
