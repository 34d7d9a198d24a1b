package gateway

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
)

// registerFrom registers somebody from an address, and leaves.
func (s *site) registerFrom(from string, id *keys.IdentityKey) error {
	s.t.Helper()
	conn, err := session.Dial(s.ctx, "ws://"+gatewayWS, s.net.Host(from).DialContext)
	if err != nil {
		s.t.Fatal(err)
	}
	defer synctest.Wait()
	defer conn.Close(1000, "")
	_, _, err = session.Register(s.ctx, conn, id, s.identity.Public())
	return err
}

func (s *site) known(id keys.Identity) bool {
	_, err := s.cfg.Accounts.Lookup(s.ctx, id)
	return err == nil
}

// hardening.md H23: "Registrations that are not used are few for each address, and
// age out."
func TestH23UnusedRegistrations(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		const one, other = "198.51.100.1", "198.51.100.2"
		ids := make([]*keys.IdentityKey, maxUnprovedPerAddr)
		for i := range ids {
			ids[i] = keys.NewIdentityKey()
			if err := s.registerFrom(one, ids[i]); err != nil {
				t.Fatalf("registration %d: %v", i, err)
			}
		}
		var refused *session.RefusedError
		if err := s.registerFrom(one, keys.NewIdentityKey()); !errors.As(err, &refused) || !strings.Contains(refused.Text, "try again later") {
			t.Errorf("one more from there: %v", err)
		}
		if err := s.registerFrom(one, ids[3]); err != nil {
			t.Errorf("one of them once more: %v", err)
		}
		if err := s.registerFrom(other, keys.NewIdentityKey()); err != nil {
			t.Errorf("from another address: %v", err)
		}
		// Who is used does not count, however often it comes.
		v := s.visitor() // from yet another address
		for range maxUnprovedPerAddr + 5 {
			v.register()
			v.speak()
			v.leave()
		}
		for range maxUnprovedPerAddr + 5 {
			v := s.visitor()
			v.register()
			v.speak()
			v.leave()
		}
		time.Sleep(unusedAge + expireEvery + time.Minute)
		if s.known(ids[0].Public()) || s.known(ids[3].Public()) {
			t.Error("registrations that were not used are there after a day")
		}
		if !s.known(v.identity()) {
			t.Error("a client that was used is forgotten after a day")
		}
		if err := s.registerFrom(one, keys.NewIdentityKey()); err != nil {
			t.Errorf("a day later: %v", err)
		}
		time.Sleep(absentAge)
		if s.known(v.identity()) {
			t.Error("a client that did not come for half a year is known")
		}
	})
}

// When there are too many from everywhere, who waits longest gives way.
func TestH23UnusedRegistrationsOfAll(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		s.clients.unproved = newUnproved(5, maxUnprovedPerAddr)
		var ids []*keys.IdentityKey
		for i := range 8 {
			ids = append(ids, keys.NewIdentityKey())
			if err := s.registerFrom(fmt.Sprintf("198.51.100.%d", i+1), ids[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i, id := range ids {
			if s.known(id.Public()) != (i >= 3) {
				t.Errorf("registration %d of 8, with room for 5, is known: %v", i, i < 3)
			}
		}
	})
}

// hardening.md H43: "clients that never sent a sealed frame share one small budget".
func TestH43MailOfUnprovedClients(t *testing.T) {
	inbox := NewMemoryInbox(Limits{})
	inSite(t, Config{Inbox: inbox}, func(s *site) {
		v := s.visitor()
		v.register()
		v.leave()
		want := func(unproved ...bool) {
			t.Helper()
			time.Sleep(time.Second)
			mail, err := inbox.Fetch(s.ctx, v.identity(), 0, math.MaxInt)
			if err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, m := range mail {
				got = append(got, m.Unproved)
			}
			if fmt.Sprint(got) != fmt.Sprint(unproved) {
				t.Errorf("unproved: %v, want %v", got, unproved)
			}
		}
		s.inject(v.identity(), message(1))
		want(true)
		if err := v.login(); err != nil { // which proves nothing
			t.Fatal(err)
		}
		v.leave()
		s.inject(v.identity(), message(2))
		want(true, true)
		if err := v.login(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		v.speak() // and so has got both
		time.Sleep(time.Second)
		v.leave()
		s.inject(v.identity(), message(3))
		want(false)
	})
}

// Who holds a client's session need not be who stored its mail.
func TestMailStoredByAnother(t *testing.T) {
	inbox := NewMemoryInbox(Limits{})
	inSite(t, Config{Inbox: inbox}, func(s *site) {
		v := s.visitor()
		v.register()
		v.speak()
		for i := range 3 {
			time.Sleep(time.Minute)
			m := Mail{Client: v.identity(), Message: []byte(fmt.Sprint("mail ", i)), Arrived: time.Now()}
			if err := inbox.Put(s.ctx, []Mail{m})[0]; err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			v.want(m.Message)
		}
		v.leave()
		if n := len(inbox.watches.m); n != 0 {
			t.Errorf("%d watch for clients that left", n)
		}
	})
}
