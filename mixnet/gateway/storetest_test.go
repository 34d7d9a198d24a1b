package gateway_test

import (
	"testing"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/storetest"
)

func TestMemoryAccountsSuite(t *testing.T) {
	storetest.Accounts(t, func(_ *testing.T, l gateway.Limits) func() gateway.Accounts {
		a := gateway.NewMemoryAccounts()
		a.Max = l.Clients
		return func() gateway.Accounts { return a }
	})
}

func TestMemoryInboxSuite(t *testing.T) {
	storetest.Inbox(t, func(_ *testing.T, l gateway.Limits) func() gateway.Inbox {
		in := gateway.NewMemoryInbox(l)
		return func() gateway.Inbox { return in }
	})
}
