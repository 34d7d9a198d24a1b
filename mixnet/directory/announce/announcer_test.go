package announce

import (
	"context"
	"net/netip"
	"testing"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

func TestConfigRefused(t *testing.T) {
	id := keys.NewIdentityKey()
	mix := directory.Announcement{
		Network: "a", Role: directory.RoleMixnode, Hosts: []netip.Addr{netip.MustParseAddr("203.0.113.1")}, MixPort: 1789,
	}
	fetch := func(context.Context, directory.Request) (directory.Response, error) { return directory.Response{}, nil }
	for name, cfg := range map[string]Config{
		"no URL":      {Identity: id, Keyring: NewKeyring(), Announcement: mix},
		"no identity": {URLs: []string{"http://a.org"}, Keyring: NewKeyring(), Announcement: mix},
		"no keyring":  {URLs: []string{"http://a.org"}, Identity: id, Announcement: mix},
		"no role":     {URLs: []string{"http://a.org"}, Identity: id, Keyring: NewKeyring(), Announcement: directory.Announcement{Network: "a"}},
	} {
		cfg.Fetch = fetch
		if _, err := New(cfg); err == nil {
			t.Errorf("announcer, %s: accepted", name)
		}
	}
}
