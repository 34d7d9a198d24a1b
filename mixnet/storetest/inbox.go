package storetest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nym-socks5/mixnet/gateway"
	"nym-socks5/mixnet/keys"
)

// Inbox tests a [gateway.Inbox]. What a message costs beside its bytes is the
// store's choice, up to 4 KiB.
func Inbox(t *testing.T, fresh func(t *testing.T, l gateway.Limits) (reopen func() gateway.Inbox)) {
	run := func(name string, l gateway.Limits, test func(*inboxTest)) {
		t.Run(name, func(t *testing.T) {
			reopen := fresh(t, l)
			test(&inboxTest{T: t, in: reopen(), reopen: reopen})
		})
	}
	run("Order", gateway.Limits{}, (*inboxTest).order)
	run("Deletion", gateway.Limits{}, (*inboxTest).deletion)
	run("IDsAreNotUsedAgain", gateway.Limits{}, (*inboxTest).freshIDs)
	run("ClientLimit", gateway.Limits{ClientBytes: 3*bigMail + bigMail/2}, (*inboxTest).clientLimit)
	run("FairShares", gateway.Limits{TotalBytes: 64 * bigMail}, (*inboxTest).fairShares)
	run("UnprovedShareOneBudget", gateway.Limits{TotalBytes: 64 * bigMail}, (*inboxTest).unproved)
	run("DefaultLimits", gateway.Limits{}, (*inboxTest).defaultLimits)
	run("Expiry", gateway.Limits{}, (*inboxTest).expiry)
	run("ManyAtOnce", gateway.Limits{}, (*inboxTest).atOnce)
	run("FairSharesAtOnce", gateway.Limits{TotalBytes: 64 * bigMail}, (*inboxTest).fairAtOnce)
	run("Watch", gateway.Limits{}, (*inboxTest).watch)
	run("WatchAtOnce", gateway.Limits{}, (*inboxTest).watchAtOnce)
	run("LimitsHoldAtOnce", gateway.Limits{ClientBytes: 5*bigMail + bigMail/2}, (*inboxTest).limitsAtOnce)
}

// bigMail is a message beside whose size what it costs otherwise is small.
const bigMail = 64 << 10

type inboxTest struct {
	*testing.T
	in     gateway.Inbox
	reopen func() gateway.Inbox
}

// crash goes on with what a new process finds.
func (t *inboxTest) crash() { t.in = t.reopen() }

var epoch = time.Unix(1_800_000_000, 123_456_789)

func (t *inboxTest) put(want error, mail ...gateway.Mail) {
	t.Helper()
	errs := t.in.Put(t.Context(), mail)
	if len(errs) != len(mail) {
		t.Fatalf("%d answers for %d messages", len(errs), len(mail))
	}
	for i, err := range errs {
		if !errors.Is(err, want) {
			t.Errorf("message %d: got %v, want %v", i, err, want)
		}
	}
}

func letter(to keys.Identity, body string) gateway.Mail {
	return gateway.Mail{Client: to, Message: []byte(body), Arrived: epoch}
}

func (t *inboxTest) fetch(client keys.Identity, after uint64, n int) []gateway.Mail {
	t.Helper()
	mail, err := t.in.Fetch(t.Context(), client, after, n)
	if err != nil {
		t.Fatalf("fetch: %v", err)
	}
	for i, m := range mail {
		if m.Client != client {
			t.Errorf("mail %d is somebody else's", i)
		}
		if m.ID <= after {
			t.Errorf("mail %d has id %d, want more than %d", i, m.ID, after)
		}
		after = m.ID
	}
	return mail
}

// want compares all that a client has.
func (t *inboxTest) want(client keys.Identity, bodies ...string) []gateway.Mail {
	t.Helper()
	mail := t.fetch(client, 0, math.MaxInt)
	var got []string
	for _, m := range mail {
		got = append(got, string(m.Message))
	}
	if !slices.Equal(got, bodies) {
		t.Errorf("got %.40q, want %.40q", got, bodies)
	}
	return mail
}

func (t *inboxTest) order() {
	alice, bob := someone(), someone()
	t.want(alice)
	t.put(nil)
	t.put(nil, letter(alice, "a1"), letter(bob, "b1"), letter(alice, "a2"))
	t.put(nil, letter(bob, ""), letter(alice, "a3"))
	for range 2 {
		mail := t.want(alice, "a1", "a2", "a3")
		t.want(bob, "b1", "")
		t.want(someone())
		if !mail[0].Arrived.Equal(epoch) {
			t.Errorf("arrived %v, want %v", mail[0].Arrived, epoch)
		}
		if got := t.fetch(alice, 0, 2); len(got) != 2 || string(got[1].Message) != "a2" {
			t.Errorf("the first two: %d", len(got))
		}
		if got := t.fetch(alice, mail[0].ID, 1); len(got) != 1 || string(got[0].Message) != "a2" {
			t.Errorf("one after the first: %d", len(got))
		}
		if got := t.fetch(alice, mail[2].ID, 9); len(got) != 0 {
			t.Errorf("%d after the last", len(got))
		}
		if got := t.fetch(alice, math.MaxUint64, 9); len(got) != 0 {
			t.Errorf("%d after the greatest id", len(got))
		}
		if got := t.fetch(alice, 0, 0); len(got) != 0 {
			t.Errorf("%d of none", len(got))
		}
		t.crash()
	}
	// Real sizes and any bytes.
	big := make([]byte, 32<<10)
	rand.Read(big)
	t.put(nil, gateway.Mail{Client: bob, Message: big, Arrived: epoch})
	t.crash()
	if got := t.fetch(bob, 0, 9); len(got) != 3 || !bytes.Equal(got[2].Message, big) {
		t.Errorf("%d messages, or the last one was changed", len(got))
	}
}

func (t *inboxTest) remove(client keys.Identity, upTo uint64) {
	t.Helper()
	if err := t.in.Delete(t.Context(), client, upTo); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

func (t *inboxTest) deletion() {
	alice, bob := someone(), someone()
	t.put(nil, letter(alice, "a1"), letter(bob, "b1"), letter(alice, "a2"), letter(alice, "a3"), letter(bob, "b2"))
	mail := t.fetch(alice, 0, 9)
	t.remove(alice, mail[0].ID-1)
	t.want(alice, "a1", "a2", "a3")
	t.remove(alice, mail[1].ID)
	t.want(alice, "a3")
	t.remove(alice, mail[1].ID) // again
	t.remove(someone(), math.MaxUint64)
	t.want(alice, "a3")
	t.want(bob, "b1", "b2")
	t.crash()
	t.want(alice, "a3")
	t.put(nil, letter(alice, "a4"))
	t.remove(alice, math.MaxUint64)
	t.want(alice)
	t.want(bob, "b1", "b2")
	t.crash()
	t.want(alice)
	t.want(bob, "b1", "b2")
}

// A client that has fetched up to an id must not miss what comes after it.
func (t *inboxTest) freshIDs() {
	alice := someone()
	var last uint64
	for i := range 4 {
		t.put(nil, letter(alice, "a"))
		mail := t.fetch(alice, 0, 9)
		if len(mail) != 1 || mail[0].ID <= last {
			t.Fatalf("round %d: %d messages, the first has not an id beyond %d", i, len(mail), last)
		}
		last = mail[0].ID
		t.remove(alice, last)
		if i%2 == 0 {
			t.crash()
		}
	}
}

func (t *inboxTest) clientLimit() {
	alice, bob := someone(), someone()
	big := string(make([]byte, bigMail))
	t.put(nil, letter(alice, big), letter(alice, big))
	// One batch: what fits is stored, what does not is not.
	errs := t.in.Put(t.Context(), []gateway.Mail{letter(alice, big), letter(alice, big), letter(bob, big), letter(alice, "x")})
	if errs[0] != nil || !errors.Is(errs[1], gateway.ErrFull) || errs[2] != nil || errs[3] != nil {
		t.Errorf("got %v, want room for the first, third and fourth", errs)
	}
	t.crash()
	t.put(gateway.ErrFull, letter(alice, big))
	mail := t.want(alice, big, big, big, "x")
	t.remove(alice, mail[0].ID)
	t.put(nil, letter(alice, big))
	t.put(gateway.ErrFull, letter(alice, big))
	t.want(bob, big)
}

// fill stores big mail for a client until there is no room, and counts it.
func (t *inboxTest) fill(m gateway.Mail) (n int) {
	t.Helper()
	for ; n < 1000; n++ {
		if err := t.in.Put(t.Context(), []gateway.Mail{m})[0]; errors.Is(err, gateway.ErrFull) {
			return n
		} else if err != nil {
			t.Fatalf("put: %v", err)
		}
	}
	t.Fatal("there is no limit")
	return 0
}

// guaranteed is mail that every client may have, whatever others have: 24 of 32 KiB.
func guaranteed(to keys.Identity) (mail []gateway.Mail) {
	for range 6 {
		mail = append(mail, letter(to, string(make([]byte, 1<<10))))
	}
	return mail
}

// No mail that was stored gives way, so strangers may not take the room of
// others: who has much leaves as much, and who has little finds room.
func (t *inboxTest) fairShares() {
	big := string(make([]byte, bigMail))
	alone := someone()
	n := t.fill(letter(alone, big))
	if n < 12 || n > 15 {
		t.Errorf("a greedy client alone has %d of 64, want about half of a half", n)
	}
	t.remove(alone, math.MaxUint64)
	var greedy []keys.Identity
	most, total := 0, 0
	for range 65 {
		who := someone()
		greedy = append(greedy, who)
		n := t.fill(letter(who, big))
		most, total = max(most, n), total+n
	}
	if most > 15 || total > 32 {
		t.Errorf("65 greedy clients have %d of 64, one of them %d", total, most)
	}
	for range 20 {
		t.put(nil, guaranteed(someone())...)
	}
	t.crash()
	t.put(nil, guaranteed(someone())...)
	t.put(gateway.ErrFull, letter(greedy[0], big))
	if got := len(t.fetch(greedy[0], 0, math.MaxInt)); got < 12 {
		t.Errorf("%d messages of who came first are left", got)
	}
	// Room that was made is there for everybody.
	for _, who := range greedy {
		t.remove(who, math.MaxUint64)
	}
	if n := t.fill(letter(greedy[64], big)); n < 10 {
		t.Errorf("%d messages after the others fetched theirs", n)
	}
}

// Clients that never sent a sealed frame share one small budget, evenly, and take
// nothing from the others.
func (t *inboxTest) unproved() {
	unproved := func(to keys.Identity, body string) gateway.Mail {
		m := letter(to, body)
		m.Unproved = true
		return m
	}
	big := string(make([]byte, bigMail))
	total := 0
	var first keys.Identity
	for i := range 20 {
		who := someone()
		if i == 0 {
			first = who
		}
		total += t.fill(unproved(who, big))
	}
	if total < 1 || total > 3 {
		t.Errorf("all of them have %d of 64", total)
	}
	t.crash()
	t.put(gateway.ErrFull, unproved(someone(), big))
	t.put(nil, unproved(someone(), "small"))
	if n := t.fill(letter(someone(), big)); n < 12 {
		t.Errorf("another client has %d of 64", n)
	}
	// A client that proves itself is one of the others from then on, and what it
	// had before leaves the small budget when it is deleted.
	t.put(nil, letter(first, big))
	for range 20 {
		t.remove(first, math.MaxUint64)
		t.put(nil, unproved(first, big))
		t.put(nil, letter(first, big))
	}
	if _, err := t.in.Expire(t.Context(), epoch.Add(time.Hour)); err != nil {
		t.Fatalf("expire: %v", err)
	}
	if n := t.fill(unproved(someone(), big)); n < 1 {
		t.Error("the small budget is not given back")
	}
}

func (t *inboxTest) fairAtOnce() {
	big := string(make([]byte, bigMail))
	var wg sync.WaitGroup
	var stored atomic.Int64
	for range 12 {
		who := someone()
		wg.Go(func() {
			for range 12 {
				switch err := t.in.Put(t.Context(), []gateway.Mail{letter(who, big)})[0]; {
				case err == nil:
					stored.Add(1)
				case !errors.Is(err, gateway.ErrFull):
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	for range 12 {
		who := someone()
		wg.Go(func() {
			for i, err := range t.in.Put(t.Context(), guaranteed(who)) {
				if err != nil {
					t.Errorf("message %d that every client may have: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	if n := stored.Load(); n > 32 {
		t.Errorf("greedy clients have %d of 64", n)
	}
}

// Whoever watches is told, whoever stored; who stopped is not.
func (t *inboxTest) watch() {
	alice, bob := someone(), someone()
	told := make(chan string, 100)
	tell := func(who string) func() { return func() { told <- who } }
	want := func(who ...string) {
		t.Helper()
		var got []string
		for len(told) > 0 {
			got = append(got, <-told)
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, who) {
			t.Errorf("told %q, want %q", got, who)
		}
	}
	t.put(nil, letter(alice, "before"))
	stop1 := t.in.Watch(alice, tell("alice 1"))
	stop2 := t.in.Watch(alice, tell("alice 2"))
	stopBob := t.in.Watch(bob, tell("bob"))
	want()
	t.put(nil, letter(alice, "a"))
	want("alice 1", "alice 2")
	t.put(nil, letter(bob, "b"), letter(alice, "a"), letter(someone(), "c"))
	want("alice 1", "alice 2", "bob")
	stop1()
	stop1()
	t.put(nil, letter(alice, "a"))
	want("alice 2")
	stop2()
	stopBob()
	t.put(nil, letter(alice, "a"), letter(bob, "b"))
	want()
}

// Mail that is stored while somebody begins to watch is found by the Fetch that
// follows, or told of: none is missed.
func (t *inboxTest) watchAtOnce() {
	ctx := t.Context()
	const rounds, each = 20, 10
	for range rounds {
		who := someone()
		var sending sync.WaitGroup
		for range 3 {
			sending.Go(func() {
				for range each {
					if err := t.in.Put(ctx, []gateway.Mail{letter(who, "x")})[0]; err != nil {
						t.Errorf("put: %v", err)
					}
				}
			})
		}
		arrived := make(chan struct{}, 1)
		stop := t.in.Watch(who, func() {
			select {
			case arrived <- struct{}{}:
			default:
			}
		})
		var after uint64
		for got := 0; got < 3*each; {
			mail, err := t.in.Fetch(ctx, who, after, 99)
			if err != nil {
				t.Fatalf("fetch: %v", err)
			}
			for _, m := range mail {
				after = m.ID
			}
			if got += len(mail); len(mail) == 0 {
				<-arrived
			}
		}
		sending.Wait()
		stop()
	}
}

func (t *inboxTest) defaultLimits() {
	alice := someone()
	big := string(make([]byte, 8<<20-8<<10))
	t.put(nil, letter(alice, big), letter(alice, big)) // 16 MiB less a little
	t.put(gateway.ErrFull, letter(alice, big))
}

func (t *inboxTest) expire(before time.Time, want int) {
	t.Helper()
	if got, err := t.in.Expire(t.Context(), before); got != want || err != nil {
		t.Errorf("%d expired (%v), want %d", got, err, want)
	}
}

func (t *inboxTest) expiry() {
	alice, bob := someone(), someone()
	at := func(to keys.Identity, body string, h int) gateway.Mail {
		return gateway.Mail{Client: to, Message: []byte(body), Arrived: epoch.Add(time.Duration(h) * time.Hour)}
	}
	t.put(nil, at(alice, "a0", 0), at(bob, "b1", 1), at(alice, "a2", 2), at(bob, "b3", 3), at(alice, "a4", 4))
	t.expire(epoch, 0) // nothing is before its own time
	t.expire(epoch.Add(2*time.Hour), 2)
	t.want(alice, "a2", "a4")
	t.want(bob, "b3")
	t.crash()
	t.want(alice, "a2", "a4")
	t.expire(epoch.Add(2*time.Hour), 0)
	t.expire(epoch.Add(24*time.Hour), 3)
	t.want(alice)
	t.crash()
	t.want(bob)
	// What expired makes room, however much there is.
	var mail []gateway.Mail
	for range 3000 {
		mail = append(mail, letter(alice, "x"))
	}
	t.put(nil, mail...)
	t.put(nil, at(alice, "last", 1))
	t.expire(epoch.Add(time.Minute), len(mail))
	t.want(alice, "last")
}

// Many write, read and delete at once; every message is fetched once, in order.
func (t *inboxTest) atOnce() {
	const clients, senders, each = 4, 3, 40
	ctx := t.Context()
	var sending, reading sync.WaitGroup
	sent := make(chan struct{})
	var left [clients][]gateway.Mail
	for c := range clients {
		to := someone()
		for s := range senders {
			sending.Go(func() {
				for i := range each {
					body := binary.BigEndian.AppendUint32([]byte{byte(s)}, uint32(i))
					if err := t.in.Put(ctx, []gateway.Mail{{Client: to, Message: body, Arrived: epoch}})[0]; err != nil {
						t.Errorf("put: %v", err)
					}
				}
			})
		}
		reading.Go(func() {
			var after uint64
			for last := false; ; {
				mail, err := t.in.Fetch(ctx, to, after, 7)
				if err != nil {
					t.Errorf("fetch: %v", err)
					return
				}
				for _, m := range mail {
					left[c] = append(left[c], m)
					after = m.ID
				}
				if err := t.in.Delete(ctx, to, after); err != nil {
					t.Errorf("delete: %v", err)
					return
				}
				if last && len(mail) == 0 {
					return
				}
				select {
				case <-sent:
					last = true
				default:
				}
			}
		})
	}
	sending.Wait()
	close(sent)
	reading.Wait()
	for c, mail := range left {
		if len(mail) != senders*each {
			t.Errorf("client %d got %d messages, want %d", c, len(mail), senders*each)
		}
		var next [senders]uint32
		for _, m := range mail {
			s, i := m.Message[0], binary.BigEndian.Uint32(m.Message[1:])
			if i != next[s] {
				t.Fatalf("client %d: message %d of sender %d came in place of %d", c, i, s, next[s])
			}
			next[s]++
		}
	}
}

func (t *inboxTest) limitsAtOnce() {
	alice := someone()
	big := string(make([]byte, bigMail))
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if err := t.in.Put(t.Context(), []gateway.Mail{letter(alice, big)})[0]; err != nil && !errors.Is(err, gateway.ErrFull) {
				t.Errorf("put: %v", err)
			}
		})
	}
	wg.Wait()
	t.crash()
	t.want(alice, big, big, big, big, big)
}
