package sessionserver

import (
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/sessiontest"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
)

func row() Account {
	var b [keys.SessionSize]byte
	rand.Read(b[:])
	return Account{Key: keys.SessionFromBytes(b)}
}

// hardening.md H21: what was seen of a key survives its connections, as long as
// there is memory; those that left first go first, those that are here never.
func TestH21SealersOfAbsentClientsHaveABudget(t *testing.T) {
	s := newSealers(10 * row().envelope().Memory())
	type client struct {
		id  keys.Identity
		row Account
		of  *heldSealer
	}
	var all []client
	for range 30 {
		c := client{id: keys.NewIdentityKey().Public(), row: row()}
		c.of = s.take(c.id, c.row)
		all = append(all, c)
	}
	if len(s.held) != 30 {
		t.Fatalf("%d of 30 envelopes in use are kept", len(s.held))
	}
	for _, c := range all {
		if s.take(c.id, c.row) != c.of {
			t.Error("two connections with one key have two envelopes")
		}
		s.leave(c.of)
	}
	if len(s.held) != 30 || s.size != 0 {
		t.Fatalf("one of two connections left: %d envelopes, %d bytes of absent ones", len(s.held), s.size)
	}
	for _, c := range all[:20] {
		s.leave(c.of)
	}
	for i, c := range all {
		if got, want := s.held[c.id] == c.of, i >= 10; got != want {
			t.Errorf("client %d is remembered: %v, want %v", i, got, want)
		}
	}
	if s.absent.Len() != 10 || s.size > s.budget {
		t.Errorf("%d absent, %d bytes; the budget is %d", s.absent.Len(), s.size, s.budget)
	}
	if got := s.take(all[15].id, all[15].row); got != all[15].of || s.absent.Len() != 9 {
		t.Error("who comes back does not find its envelope")
	}

	// Another key, another envelope, and the old one is in nobody's way.
	other := s.take(all[25].id, row())
	if other == all[25].of {
		t.Error("a new key has the old one's envelope")
	}
	s.leave(all[25].of)
	if s.held[all[25].id] != other {
		t.Error("the old key's end takes the new envelope along")
	}
	s.forget(all[15].id)
	s.leave(all[15].of)
	if s.held[all[15].id] != nil || s.absent.Len() != 9 {
		t.Error("what was forgotten is kept")
	}
}

// hardening.md H21: "of one that is forgotten a fresh login is demanded": a request
// that somebody held back since before opens no session, into which frames from
// before could be sent.
func TestH21ForgottenClientMustLogInAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, forgotten := range []bool{true, false} {
			g := newFakeGateway(t, func(c *Config) {
				if forgotten {
					c.SealerMemory = 1
				}
			})
			id, sealer := g.account()
			heldBack := protocol.NewAuthenticate(6, id, sealer, sealer.OwnNonce(), time.Now().Add(2*time.Second))
			first := sessiontest.Client(t, g.connect(t.Context()))
			first.Login(id, sealer, 6)
			time.Sleep(10 * time.Second)
			first.Conn.Close(session.CloseNormal, "")
			g.wg.Wait()

			time.Sleep(time.Second)
			old := sessiontest.Client(t, g.connect(t.Context()))
			old.Send(heldBack)
			if forgotten {
				old.WantRefusal(string(ErrStale))
			} else if _, ok := old.Next().(protocol.Authenticated); !ok {
				t.Error("a request that came late is refused though all frames are remembered")
			}
			old.Conn.Close(session.CloseNormal, "")
			g.wg.Wait()
			time.Sleep(time.Second)
			later := sessiontest.Client(t, g.connect(t.Context()))
			later.Login(id, sealer, 6)
			later.Conn.Close(session.CloseNormal, "")
			g.wg.Wait()
		}
	})
}
