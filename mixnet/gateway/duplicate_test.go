package gateway

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/session/sessionserver"
	"nym-socks5/mixnet/wire"
)

// second is another program with the key of v.
func (v *visitor) second() *visitor {
	return &visitor{s: v.s, id: v.id, sealer: protocol.NewSealer(v.key()), last: v.last}
}

func (v *visitor) key() *keys.Session {
	acc, err := v.s.cfg.Accounts.Lookup(v.s.ctx, v.identity())
	if err != nil {
		v.s.t.Fatal(err)
	}
	return acc.Key
}

func refused(err error) bool {
	var r *session.RefusedError
	return errors.As(err, &r) && r.Text == string(sessionserver.ErrDuplicate)
}

// over reports whether the session has ended.
func (v *visitor) over() bool {
	synctest.Wait()
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// nodes.md §1.9: "The newest login wins": a page that was reloaded, or a library
// that leaves its socket open and answers pings, is no reason to wait.
func TestNewestLoginWins(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		older := s.visitor()
		older.register()
		newer := older.second()
		time.Sleep(2 * time.Second)
		began := time.Now()
		if err := newer.login(); err != nil {
			t.Fatalf("beside a session that lives: %v", err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if !older.over() {
			t.Fatal("the older session lives on")
		}
		if n := s.Stats().Online; n != 1 {
			t.Errorf("%d clients online, want 1", n)
		}
		s.inject(newer.identity(), message(1))
		time.Sleep(time.Second)
		newer.want(message(1))
		older.want()
		// Registration is a login too, a minute later.
		time.Sleep(replaceEvery)
		again := older.second()
		again.register()
		if !newer.over() || s.Stats().Online != 1 {
			t.Error("a registration does not take the session")
		}
		again.leave()
	})
}

// nodes.md §1.9: "at most once a minute for each client". Nym's clients come back
// ten times, five seconds apart, and then give up: of two of them with one key the
// newer one stays, undisturbed.
func TestTwoProgramsWithOneKey(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		a := s.visitor()
		a.register()
		b := a.second()
		time.Sleep(time.Minute)
		if err := b.login(); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			time.Sleep(5 * time.Second)
			if err := a.login(); !refused(err) {
				t.Fatalf("attempt %d of the one that left: %v", i, err)
			}
			if b.over() {
				t.Fatalf("attempt %d of the one that left ended the other's session", i)
			}
			conn := a.dial()
			_, _, err := session.Register(s.ctx, conn, a.id, s.identity.Public())
			conn.Close(1000, "")
			if !refused(err) || b.over() {
				t.Fatalf("attempt %d of the one that left to register: %v", i, err)
			}
		}
		b.speak() // its key is still good
		time.Sleep(15 * time.Second)
		if err := a.login(); err != nil || !b.over() {
			t.Errorf("after a minute: %v", err)
		}
		a.leave()
	})
}

// nodes.md §1.9: "an older session that is dead, and answers no ping within a
// second, is always replaced".
func TestDeadSessionIsAlwaysReplaced(t *testing.T) {
	inSite(t, Config{}, func(s *site) {
		a := s.visitor()
		a.register()
		time.Sleep(2 * time.Second)
		b := a.second()
		b.conn = b.dial()
		if _, err := session.Authenticate(s.ctx, b.conn, b.id, b.sealer, time.Now(), b.receive); err != nil {
			t.Fatal(err)
		}
		if !a.over() {
			t.Fatal("the first session lives on")
		}
		// Nobody reads what is for b: it answers nothing.
		time.Sleep(5 * time.Second)
		c := a.second()
		began := time.Now()
		if err := c.login(); err != nil {
			t.Fatalf("beside a dead session that is five seconds old: %v", err)
		}
		if took := time.Since(began); took > pingPatience+100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		b.conn.Close(1000, "")
		// That was no session that lived: the next one need not wait.
		d := a.second()
		time.Sleep(2 * time.Second)
		if err := d.login(); err != nil || !c.over() {
			t.Errorf("a login after it: %v", err)
		}
		d.leave()
	})
}

// slowLookup holds back what one look-up found.
type slowLookup struct {
	Accounts
	mu   sync.Mutex
	hold chan struct{} // the next look-up waits until it is closed; nil: none does
}

func (l *slowLookup) Lookup(ctx context.Context, client keys.Identity) (sessionserver.Account, error) {
	acc, err := l.Accounts.Lookup(ctx, client)
	l.mu.Lock()
	hold := l.hold
	l.hold = nil
	l.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return acc, err
}

// hardening.md H22: "Freshness of authentication is persisted before it is
// accepted". One login comes over two connections, and both find it fresh: one of
// them is accepted, whether the other's session still lives or has come and gone.
func TestH22OneLoginOverTwoConnections(t *testing.T) {
	for _, gone := range []bool{false, true} {
		accounts := &slowLookup{Accounts: NewMemoryAccounts()}
		inSite(t, Config{Accounts: accounts}, func(s *site) {
			v := s.visitor()
			v.register()
			v.leave()
			time.Sleep(2 * time.Second)
			request := protocol.EncodeText(protocol.NewAuthenticate(6, v.id, v.sealer, v.sealer.OwnNonce(), time.Now()))
			send := func() session.MessageConn {
				conn := v.dial()
				if err := conn.Write(s.ctx, true, request); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				return conn
			}
			accepted := func(conn session.MessageConn) bool {
				_, b, err := conn.Read(s.ctx)
				if err != nil {
					t.Fatal(err)
				}
				text, err := protocol.ParseGatewayText(b)
				_, ok := text.(protocol.Authenticated)
				return ok && err == nil
			}
			release := make(chan struct{})
			accounts.mu.Lock()
			accounts.hold = release
			accounts.mu.Unlock()
			slow := send()
			time.Sleep(time.Second)
			quick := send()
			if !accepted(quick) {
				t.Error("the quick one is refused")
			}
			if gone {
				quick.Close(1000, "")
				time.Sleep(time.Second)
			}
			close(release)
			if accepted(slow) {
				t.Errorf("both are accepted; the first is gone: %v", gone)
			}
			slow.Close(1000, "")
			quick.Close(1000, "")
		})
	}
}

// hardening.md H20: "Mail is deleted only after a later valid sealed frame": a frame
// says nothing of mail that was not yet written when it came.
func TestH20UnwrittenMailIsNotProved(t *testing.T) {
	inbox := NewMemoryInbox(Limits{})
	inSite(t, Config{Inbox: inbox}, func(s *site) {
		v := s.visitor()
		v.register()
		v.speak()
		v.leave()
		const stored = 1000 // three times what the connection and its queue hold
		for range stored {
			m := Mail{Client: v.identity(), Message: message(1), Arrived: time.Now()}
			if err := inbox.Put(s.ctx, []Mail{m})[0]; err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		conn := v.dial()
		if _, err := session.Authenticate(s.ctx, conn, v.id, v.sealer, time.Now(), v.receive); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // nobody reads: some is written, some waits, some is not fetched
		p := wire.MixPacket{Next: s.nw.Layer(1)[0].Addr, Rotation: mixnet.RotationOdd, Packet: make([]byte, mixnet.AckSize.Total())}
		frame, err := v.sealer.AppendForward(nil, p, true)
		if err != nil {
			t.Fatal(err)
		}
		written := int(s.clients.online(v.identity()).Written())
		if err := conn.Write(s.ctx, false, frame); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		s.wg.Go(func() { // now all of it is read
			for {
				if _, _, err := conn.Read(s.ctx); err != nil {
					return
				}
			}
		})
		time.Sleep(10 * time.Second)
		left, err := inbox.Fetch(s.ctx, v.identity(), 0, math.MaxInt)
		if err != nil {
			t.Fatal(err)
		}
		if written == 0 || written > stored/2 {
			t.Fatalf("%d of %d messages are written", written, stored)
		}
		if len(left) != stored-written {
			t.Errorf("%d messages are left of %d, of which %d were written", len(left), stored, written)
		}
		conn.Close(1000, "")
	})
}
