package boltstore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/storetest"
)

// crashes gives a function that opens a file in a new directory; every call but
// the first opens a copy of what the process before had written when it was
// killed: it is never closed before the test ends.
func crashes[S interface{ Close() error }](t *testing.T, open func(path string) (S, error)) func() S {
	dir, n := t.TempDir(), 0
	return func() S {
		t.Helper()
		path := filepath.Join(dir, fmt.Sprint(n))
		if n > 0 {
			b, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(n-1)))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		n++
		s, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
}

func gatewayCrashes(t *testing.T, l gateway.Limits) func() *Gateway {
	return crashes(t, func(path string) (*Gateway, error) { return OpenGateway(path, l) })
}

func TestAccounts(t *testing.T) {
	storetest.Accounts(t, func(t *testing.T, l gateway.Limits) func() gateway.Accounts {
		reopen := gatewayCrashes(t, l)
		return func() gateway.Accounts { return reopen() }
	})
}

func TestInbox(t *testing.T) {
	storetest.Inbox(t, func(t *testing.T, l gateway.Limits) func() gateway.Inbox {
		reopen := gatewayCrashes(t, l)
		return func() gateway.Inbox { return reopen() }
	})
}

func TestClientStore(t *testing.T) {
	storetest.Client(t, func(t *testing.T) func() client.Store {
		reopen := crashes(t, OpenClient)
		return func() client.Store { return reopen() }
	})
}
