package dirserver

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// guests are Invites with one invitation, and the Allow that goes with them.
type guests struct {
	key  keys.Identity
	in   map[keys.Identity]bool
	fail error // of Use
}

func (g *guests) allow(id keys.Identity, _ directory.Role) bool { return g.in[id] }

func (g *guests) Check(invite, _ keys.Identity, _ directory.Role) error {
	if invite != g.key {
		return errors.New("unknown")
	}
	return nil
}

func (g *guests) Use(_, id keys.Identity, _ directory.Role) error {
	if g.fail == nil {
		g.in[id] = true
	}
	return g.fail
}

// Who is not on the list may join by an invitation that is good, and is probed as
// anybody else; who has none, or one that is not, has nobody probed.
func TestInvitedMayJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := directory.NewInvite()
		g := &guests{key: secret.Key().Public(), in: make(map[keys.Identity]bool)}
		probes, answers := 0, false
		s := startServer(t, func(c *Config) {
			c.Allow, c.Invites = g.allow, g
			c.Probe = func(context.Context, mixnet.NodeAddr, keys.Noise) error {
				probes++
				if !answers {
					return errors.New("silence")
				}
				return nil
			}
		})
		n := newTestNode(nil, directory.RoleMixnode)
		announce := func(invite *keys.IdentityKey) (int, string) {
			t.Helper()
			n.said.Sequence++
			n.said.Issued = time.Now()
			body, err := n.said.SignInvited(n.key, invite)
			if err != nil {
				t.Fatal(err)
			}
			w := s.do(http.MethodPost, directory.PathAnnounce, string(body))
			return w.Code, w.Body.String()
		}
		want := func(invite *keys.IdentityKey, code int, part string, wantProbes int) {
			t.Helper()
			if got, text := announce(invite); got != code || !strings.Contains(text, part) {
				t.Errorf("got %d %s, want %d with %q", got, text, code, part)
			}
			if probes != wantProbes {
				t.Errorf("%d probes so far, want %d", probes, wantProbes)
			}
		}
		want(nil, http.StatusForbidden, directory.CodeNotListed, 0)
		want(directory.NewInvite().Key(), http.StatusForbidden, directory.CodeInvite, 0)
		want(secret.Key(), http.StatusUnprocessableEntity, directory.CodeUnreachable, 1)
		if len(g.in) != 0 {
			t.Error("the invitation is used up though the node cannot be reached")
		}
		answers = true
		g.fail = errors.New("disk full")
		want(secret.Key(), http.StatusForbidden, "disk full", 2)
		g.fail = nil
		want(secret.Key(), http.StatusOK, "lease_seconds", 3)
		want(nil, http.StatusOK, "lease_seconds", 3)
	})
}
