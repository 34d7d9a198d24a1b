package announce

import (
	"context"
	"net/netip"
	"testing"
	"time"

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

// hardening.md H05: "Keep-alives and refreshes are jittered." Announcements are made
// anew after a time that is drawn between three quarters and five quarters of what
// is meant.
func TestH05AnnouncementsAreJittered(t *testing.T) {
	const mean = time.Hour
	least, most := 2*mean, time.Duration(0)
	for range 1000 {
		d := jitter(mean)
		least, most = min(least, d), max(most, d)
	}
	if least < mean*3/4 || least > mean*4/5 || most > mean*5/4 || most < mean*6/5 {
		t.Errorf("a thousand times from %v to %v, want most of %v to %v", least, most, mean*3/4, mean*5/4)
	}
}
