package directory_test

import (
	"testing"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Directory(t, func(*testing.T) func() directory.Store {
		s := directory.NewMemoryStore()
		return func() directory.Store { return s }
	})
}
