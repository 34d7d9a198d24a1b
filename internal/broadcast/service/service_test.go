package service_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nym-socks5/internal/broadcast"
	. "nym-socks5/internal/broadcast/service"
	"nym-socks5/mixnet"
)

// inBubble runs a test in virtual time with a service.
func inBubble(t *testing.T, change func(*Config), f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, change)) })
}

// hardening.md H48: "what a node said once is what everybody is told"
func TestH48BroadcastOnce(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		first := w.ask(tag, post("a"), broadcast.Accepted)
		if string(first.Reply) != "reply 1" || first.At.IsZero() || first.Hash != statusOf("a").Hash || first.Kind != broadcast.Post {
			t.Errorf("got %+v", first)
		}
		for _, tag := range []mixnet.SenderTag{tag, mixnet.NewSenderTag()} {
			if a := w.ask(tag, post("a"), broadcast.Accepted); string(a.Reply) != "reply 1" || !a.At.Equal(first.At) {
				t.Errorf("got %+v, want what was said before", a)
			}
			if a := w.ask(tag, statusOf("a"), broadcast.Accepted); string(a.Reply) != "reply 1" {
				t.Errorf("status: got %+v", a)
			}
		}
		if n := w.node.calls(); n != 1 {
			t.Errorf("the node was asked %d times", n)
		}
		// Several at once.
		w.node.set(func() { w.node.takes = 500 * time.Millisecond })
		var ids []string
		for range 20 {
			ids = append(ids, w.send(mixnet.NewSenderTag(), post("b")))
		}
		queued := 0
		time.Sleep(2 * time.Second)
		for _, id := range ids {
			switch a := w.answers(id); {
			case len(a) == 1 && a[0].Result == broadcast.Queued:
				queued++
			case len(a) != 1 || string(a[0].Reply) != "reply 2":
				t.Errorf("got %+v", a)
			}
		}
		if n := w.node.calls(); n != 2 || queued != 4 {
			t.Errorf("the node was asked %d times, %d were told to ask again; want 2 and 4", n, queued)
		}
	})
}

// hardening.md H48: "A node hears nothing of a transaction before its time"
func TestH48RandomDelay(t *testing.T) {
	inBubble(t, func(c *Config) { c.PerMinute, c.PerSecond = 10_000, 10_000 }, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		const n = 400
		began := time.Now()
		for i := range n {
			w.send(tag, later(fmt.Sprint(i), time.Hour))
			time.Sleep(50 * time.Millisecond) // no more than so many answers are under way
		}
		time.Sleep(time.Second)
		for i := range n {
			if a := w.answers(fmt.Sprint(i + 1)); len(a) != 1 || a[0].Result != broadcast.Queued {
				t.Fatalf("%d: got %+v", i, a)
			}
		}
		early := 0
		w.node.set(func() { early = len(w.node.sent) })
		if early > 10 {
			t.Errorf("%d of %d were broadcast at once", early, n)
		}
		req := broadcast.Request{Do: broadcast.Broadcast, Chain: "bitcoin", Tx: bitcoinTx(t), Delay: new(broadcast.MaxDelay)}
		look := broadcast.Request{Do: broadcast.Status, Chain: "bitcoin", Hash: w.ask(tag, req, broadcast.Queued).Hash, Receipt: true}
		if a := w.ask(tag, look, broadcast.Queued); len(a.Receipt) > 0 {
			t.Errorf("got %+v", a)
		}
		if w.node.asked != 0 {
			t.Error("the node was asked for a transaction before its time")
		}
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		var sum, longest time.Duration
		for i, at := range w.node.times {
			if w.node.sent[i] == string(req.Tx) {
				continue
			}
			d := at.Sub(began)
			sum += d
			longest = max(longest, d)
		}
		// The mean of what is drawn is a little below an hour, since what is beyond five
		// is drawn again; its deviation here is three minutes.
		if mean := sum / n; len(w.node.times) < n || len(w.node.times) > n+1 || mean < 45*time.Minute || mean > 70*time.Minute || longest > 5*time.Hour+time.Minute {
			t.Errorf("%d were broadcast, after %v as a mean, %v at most", len(w.node.times), mean, longest)
		}
		w.ask(tag, statusOf("0"), broadcast.Accepted)
		// Whoever wants it sooner gets that, and whoever asks the same again gets nothing by it.
		w.ask(tag, later("slow", 24*time.Hour), broadcast.Queued)
		for range 20 {
			w.ask(tag, later("slow", 24*time.Hour), broadcast.Queued)
		}
		w.ask(tag, later("slow", time.Minute), broadcast.Queued)
		time.Sleep(6 * time.Minute)
		w.ask(tag, statusOf("slow"), broadcast.Accepted)
		w.ask(tag, later("slower", 24*time.Hour), broadcast.Queued)
		w.ask(tag, later("slower", 0), broadcast.Accepted)
		// The operator's mean counts where none is asked for, and zero is none.
		w.stop()
		w.cfg.Delay = time.Hour
		w.start()
		w.ask(tag, post("x"), broadcast.Queued)
		w.ask(tag, later("y", 0), broadcast.Accepted)
	})
}

// hardening.md H48: "A node hears nothing of a transaction before its time, whoever asks":
// asking again for the same delay does not give the shortest of many.
func TestH48RepeatedDelays(t *testing.T) {
	inBubble(t, func(c *Config) { c.PerMinute = 1_000_000 }, func(t *testing.T, w *world) {
		const n = 20
		for i := range n {
			tx := fmt.Sprint(i)
			for range 100 {
				w.send(mixnet.NewSenderTag(), later(tx, 24*time.Hour))
				time.Sleep(50 * time.Millisecond)
			}
		}
		time.Sleep(2 * time.Hour)
		if early := w.node.calls(); early > 10 { // 1.6 of 20 are due by then
			t.Errorf("%d of %d were broadcast in two hours of a day", early, n)
		}
	})
}

// hardening.md H48: "what is overdue after a start waits anew"
func TestH48QueueSurvives(t *testing.T) {
	inBubble(t, func(c *Config) { c.PerMinute = 1000 }, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		const n = 50
		for i := range n {
			w.send(tag, later(fmt.Sprint(i), time.Hour))
		}
		time.Sleep(time.Second)
		w.stop()
		before := w.node.calls()
		time.Sleep(24 * time.Hour)
		began := time.Now()
		w.start()
		time.Sleep(time.Minute)
		if now := w.node.calls(); now-before > 10 {
			t.Errorf("%d of %d were broadcast at once", now-before, n)
		}
		time.Sleep(6 * time.Hour)
		w.ask(tag, statusOf(fmt.Sprint(n-1)), broadcast.Accepted)
		if now := w.node.calls(); now != n || time.Since(began) < 6*time.Hour {
			t.Errorf("%d were broadcast, want %d", now, n)
		}
	})
}

// A node that gives no answer is asked again; who asked is told that it is queued.
func TestH48NodeDown(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		w.node.set(func() { w.node.down = errDown })
		if a := w.ask(tag, post("a"), broadcast.Queued); !strings.Contains(a.Reason, "asked again") {
			t.Errorf("got %+v", a)
		}
		if a := w.ask(tag, post("a"), broadcast.Queued); !strings.Contains(a.Reason, "asked again") {
			t.Errorf("again: got %+v", a)
		}
		time.Sleep(time.Minute)
		w.node.set(func() { w.node.down = nil })
		time.Sleep(10 * time.Minute)
		w.ask(tag, statusOf("a"), broadcast.Accepted)
		w.ask(tag, post("a"), broadcast.Accepted)
		if !strings.Contains(w.log.String(), "the node gives no answer") || !strings.Contains(w.log.String(), "the node answers again") {
			t.Errorf("the log says %s", &w.log)
		}
		// For an hour.
		w.node.set(func() { w.node.down, w.node.sent = errDown, nil })
		w.ask(tag, post("b"), broadcast.Queued)
		time.Sleep(70 * time.Minute)
		if a := w.ask(tag, statusOf("b"), broadcast.Unavailable); !strings.Contains(a.Reason, "not asked any more") {
			t.Errorf("got %+v", a)
		}
		if n := w.node.calls(); n < 12 || n > 40 {
			t.Errorf("the node was asked %d times in an hour", n)
		}
		w.node.set(func() { w.node.down = nil })
		w.ask(tag, post("b"), broadcast.Accepted)
		// Not at all, if the operator wants that.
		w.stop()
		w.cfg.RetryFor = 0
		w.start()
		w.node.set(func() { w.node.down = errDown })
		w.ask(tag, post("c"), broadcast.Unavailable)
		w.node.set(func() { w.node.down = nil })
		w.ask(tag, post("c"), broadcast.Accepted)
	})
}

// hardening.md H48: "A transaction is on disk from before a node hears of it until the node
// has given its word": a process that ends in between asks again.
func TestH48EndWhileTheNodeIsAsked(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		w.node.set(func() { w.node.takes = time.Minute })
		id := w.send(tag, post("a"))
		time.Sleep(time.Second)
		if w.node.calls() != 1 {
			t.Fatal("the node was not asked")
		}
		w.stop()
		if a := w.answers(id); len(a) != 0 {
			t.Fatalf("got %+v", a)
		}
		w.node.set(func() { w.node.takes = 0 })
		w.start()
		if a := w.ask(tag, post("a"), broadcast.Known); string(a.Reply) != "have it" {
			t.Errorf("got %+v", a)
		}
		w.ask(tag, statusOf("a"), broadcast.Known)
		if n := w.node.calls(); n != 2 {
			t.Errorf("the node was asked %d times", n)
		}
	})
}

// hardening.md H48: "a refusal counts for a minute and for the same bytes"
func TestH48Refusals(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		w.node.set(func() { w.node.refuses = true })
		if a := w.ask(tag, post("a"), broadcast.Refused); string(a.Reply) != "no" {
			t.Errorf("got %+v", a)
		}
		w.ask(tag, post("a"), broadcast.Refused)
		if n := w.node.calls(); n != 1 {
			t.Errorf("the node was asked %d times", n)
		}
		w.node.set(func() { w.node.refuses = false })
		time.Sleep(time.Minute)
		w.ask(tag, post("a"), broadcast.Accepted)

		// Two forms of one Bitcoin transaction, with other witnesses.
		form := func(witness string) broadcast.Request {
			tx, err := hex.DecodeString("01000000" + "0001" + "01" + strings.Repeat("11", 36) + "00" + "ffffffff" + "01" + "0100000000000000" + "00" + "0101" + witness + "00000000")
			if err != nil {
				t.Fatal(err)
			}
			return broadcast.Request{Do: broadcast.Broadcast, Chain: "bitcoin", Tx: tx}
		}
		w.node.set(func() { w.node.refuses = true })
		bad := w.ask(tag, form("aa"), broadcast.Refused)
		w.node.set(func() { w.node.refuses = false })
		good := w.ask(tag, form("bb"), broadcast.Accepted)
		if bad.Hash != good.Hash {
			t.Errorf("the forms have ids %x and %x", bad.Hash, good.Hash)
		}
		w.ask(tag, form("aa"), broadcast.Accepted) // it is the same transaction

		w.node.set(func() { w.node.down, w.node.has = errDown, make(map[broadcast.Hash]bool) })
		w.stop()
		w.cfg.Store = NewMemoryStore()
		w.start()
		w.ask(tag, form("aa"), broadcast.Queued)
		if a := w.ask(tag, form("bb"), broadcast.Limited); a.After == 0 || !strings.Contains(a.Reason, "another form") {
			t.Errorf("got %+v", a)
		}
	})
}

func TestOtherRequests(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxTx, c.Delay = 1000, time.Minute }, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		a := w.ask(tag, broadcast.Request{Do: broadcast.Info}, broadcast.Served)
		if a.Info == nil || len(a.Info.Chains) != 2 || a.Info.Chains[1].Name != "bitcoin" || !a.Info.Chains[1].Checks || a.Info.MaxTx != 1000 || a.Info.Delay != time.Minute {
			t.Errorf("info: got %+v", a.Info)
		}
		w.ask(tag, broadcast.Request{Do: broadcast.Broadcast, Chain: "dogecoin", Tx: []byte{1}}, broadcast.Denied)
		w.ask(tag, broadcast.Request{Do: broadcast.Check, Chain: "post", Tx: []byte{1}}, broadcast.Denied)
		w.ask(tag, broadcast.Request{Do: broadcast.Broadcast, Chain: "bitcoin", Tx: []byte{1}}, broadcast.Invalid)
		w.ask(tag, post(strings.Repeat("x", 1001)), broadcast.Invalid)
		w.ask(tag, statusOf("a"), broadcast.Unknown)
		known := statusOf("a")
		known.Receipt = true
		w.ask(tag, known, broadcast.Unknown) // a POST cannot be looked for
		if w.node.calls() != 0 || w.node.asked != 0 {
			t.Error("the node was asked")
		}
		for text, want := range map[string]string{
			`{"broadcast":1,"id":"x1","do":"dance"}`: "do is none of",
			`{"broadcast":3,"id":"x2","do":"info"}`:  "version 1 only",
			`{"id":"x3","do":"info"}`:                "", // no version: and no answer by that id
		} {
			w.raw(tag, []byte(text))
			id := text[strings.Index(text, "x"):][:2]
			if want == "" {
				continue
			}
			if a := w.want(id, broadcast.Invalid); !strings.Contains(a.Reason, want) {
				t.Errorf("%s: got %+v", text, a)
			}
		}
		w.raw(tag, []byte(strings.Repeat(" ", 7000)))
		if a := w.want("", broadcast.Invalid); !strings.Contains(a.Reason, "the most are 6096") {
			t.Errorf("a long request: got %+v", a)
		}
		// Nobody is answered who cannot be, and nothing is done for them.
		b, _ := post("plain").AppendBinary(nil)
		if err := w.pair.A.Send(t.Context(), w.pair.B.Address(), b, mixnet.SendOptions{}); err != nil {
			t.Fatal(err)
		}
		w.ask(tag, statusOf("plain"), broadcast.Unknown)
	})
}

func TestChecksAndReceipts(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		req := broadcast.Request{Do: broadcast.Check, Chain: "bitcoin", Tx: bitcoinTx(t)}
		a := w.ask(tag, req, broadcast.Acceptable)
		if string(a.Reply) != "would" || w.node.calls() != 0 {
			t.Errorf("got %+v, and the node was sent %d", a, w.node.calls())
		}
		look := broadcast.Request{Do: broadcast.Status, Chain: "bitcoin", Hash: a.Hash, Receipt: true}
		if a := w.ask(tag, look, broadcast.Unknown); string(a.Receipt) != "false" || a.Confirmed {
			t.Errorf("got %+v", a)
		}
		w.node.set(func() { w.node.has[a.Hash] = true }) // from elsewhere
		if a := w.ask(tag, look, broadcast.Known); string(a.Receipt) != "true" || !a.Confirmed {
			t.Errorf("got %+v", a)
		}
		w.node.set(func() { w.node.down = errDown })
		w.ask(tag, look, broadcast.Unavailable)
	})
}

// hardening.md H48: "Requests, queue and turns are shared by tag": newcomers are served
// while others use up the pace of all.
func TestH48Pace(t *testing.T) {
	inBubble(t, func(c *Config) { c.PerMinute, c.PerSecond = 30, 10 }, func(t *testing.T, w *world) {
		info := broadcast.Request{Do: broadcast.Info}
		greedy := mixnet.NewSenderTag()
		count := func(ids []string) map[broadcast.Result]int {
			time.Sleep(500 * time.Millisecond)
			got := make(map[broadcast.Result]int)
			for _, id := range ids {
				for _, a := range w.answers(id) {
					got[a.Result]++
					if a.Result == broadcast.Limited && (a.After < time.Second || a.After > 10*time.Second) {
						t.Errorf("limited for %v", a.After)
					}
				}
			}
			return got
		}
		var ids []string
		for range 12 {
			ids = append(ids, w.send(greedy, info))
		}
		if got := count(ids); got[broadcast.Served] != 10 || got[broadcast.Limited] != 2 {
			t.Errorf("12 at once: got %v, want 10 served", got)
		}
		time.Sleep(4 * time.Second)
		if got := count([]string{w.send(greedy, info), w.send(greedy, info), w.send(greedy, info)}); got[broadcast.Served] != 2 {
			t.Errorf("4 seconds later: got %v, want 2 served", got)
		}
		// Four that are not new use up what all have; five newcomers are served all the same.
		var old []mixnet.SenderTag
		for range 4 {
			old = append(old, mixnet.NewSenderTag())
			w.send(old[len(old)-1], info)
		}
		time.Sleep(time.Second)
		ids = nil
		for range 8 {
			for _, tag := range old {
				ids = append(ids, w.send(tag, info))
			}
		}
		time.Sleep(50 * time.Millisecond)
		var fresh []string
		for range 5 {
			fresh = append(fresh, w.send(mixnet.NewSenderTag(), info))
		}
		if got := count(ids); got[broadcast.Served] > 11 || got[broadcast.Served] < 9 {
			t.Errorf("those with most: got %v, want 10 served", got)
		}
		if got := count(fresh); got[broadcast.Served] != 5 {
			t.Errorf("newcomers: got %v, want all served", got)
		}
	})
}

// Who queues much gets a part of the room, and there is always some left.
func TestH48Room(t *testing.T) {
	inBubble(t, func(c *Config) { c.QueueBytes, c.PerMinute, c.PerSecond = 64<<10, 100_000, 100_000 }, func(t *testing.T, w *world) {
		fill := func(tag mixnet.SenderTag, name string) (queued int) {
			var ids []string
			for i := range 100 {
				ids = append(ids, w.send(tag, later(fmt.Sprint(name, i), time.Hour)))
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Second)
			for _, id := range ids {
				for _, a := range w.answers(id) {
					if a.Result == broadcast.Queued {
						queued++
					} else if a.Result != broadcast.Limited || a.After == 0 {
						t.Errorf("got %+v", a)
					}
				}
			}
			return queued
		}
		var got []int
		for i := range 5 {
			got = append(got, fill(mixnet.NewSenderTag(), fmt.Sprint(i, "-")))
		}
		for i, n := range got {
			if n < 3 || i == 0 && (n < 18 || n > 24) || i > 0 && n > got[i-1]+1 {
				t.Errorf("the tags have %v of 63 places, want the first a third and each of the others less", got)
			}
		}
		time.Sleep(10 * time.Hour) // all is broadcast, and there is room again
		if n := fill(mixnet.NewSenderTag(), "again-"); n < 18 {
			t.Errorf("%d places, want a third", n)
		}
	})
}

// Tags take turns before a slow node; where too many wait, the one with most loses.
func TestH48Turns(t *testing.T) {
	inBubble(t, func(c *Config) { c.PerMinute, c.PerSecond, c.Calls = 1_000_000, 1_000_000, 1 }, func(t *testing.T, w *world) {
		w.node.set(func() { w.node.takes = time.Second })
		look := broadcast.Request{Do: broadcast.Status, Chain: "bitcoin", Receipt: true}
		flood, honest := mixnet.NewSenderTag(), mixnet.NewSenderTag()
		for range 1100 {
			w.send(flood, look)
		}
		time.Sleep(100 * time.Millisecond)
		ids := []string{w.send(honest, look), w.send(honest, look)}
		time.Sleep(6 * time.Second)
		for _, id := range ids {
			if a := w.answers(id); len(a) != 1 || a[0].Result != broadcast.Unknown {
				t.Errorf("one that asks twice: got %+v", a)
			}
		}
		limited := 0
		for i := range 1100 {
			for _, a := range w.answers(fmt.Sprint(i + 1)) {
				if a.Result == broadcast.Limited {
					limited++
				}
			}
		}
		if limited == 0 {
			t.Error("nobody was told that too many wait")
		}
		w.node.set(func() { w.node.takes = 0 })
		time.Sleep(time.Minute)
	})
}

// A brokenStore fails when it is told to.
type brokenStore struct {
	Store
	broken atomic.Bool
}

var errDisk = errors.New("disk full")

func (s *brokenStore) Save(ctx context.Context, k Key, r Record) error {
	if s.broken.Load() {
		return errDisk
	}
	return s.Store.Save(ctx, k, r)
}

// hardening.md H48: what the disk does not take is not begun. An outcome that it does not take is told all
// the same, and stays what it is.
func TestH48DiskFails(t *testing.T) {
	disk := &brokenStore{Store: NewMemoryStore()}
	inBubble(t, func(c *Config) { c.Store = disk }, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		disk.broken.Store(true)
		w.ask(tag, post("a"), broadcast.Unavailable)
		if w.node.calls() != 0 {
			t.Error("the node was asked for what is not on disk")
		}
		disk.broken.Store(false)
		w.ask(tag, post("a"), broadcast.Accepted)

		w.node.set(func() { w.node.takes = 500 * time.Millisecond })
		id := w.send(tag, post("b"))
		time.Sleep(200 * time.Millisecond)
		disk.broken.Store(true)
		w.want(id, broadcast.Accepted)
		w.ask(tag, post("b"), broadcast.Accepted)
		w.ask(tag, statusOf("b"), broadcast.Accepted)
		time.Sleep(time.Minute)
		disk.broken.Store(false)
		time.Sleep(10 * time.Minute)
		if r, _, err := disk.Load(t.Context(), Key{"post", statusOf("b").Hash}); err != nil || r.Result != broadcast.Accepted {
			t.Errorf("on disk is %+v, %v", r, err)
		}
		if n := w.node.calls(); n != 2 {
			t.Errorf("the node was asked %d times, want 2", n)
		}
		if s := w.log.String(); strings.Count(s, "cannot be kept") != 2 || strings.Count(s, "can be kept again") != 2 {
			t.Errorf("the log says %s", s)
		}
	})
}

// Old records go.
func TestRecordsGo(t *testing.T) {
	inBubble(t, func(c *Config) { c.KeepFor = 24 * time.Hour }, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		w.ask(tag, post("a"), broadcast.Accepted)
		w.node.set(func() { w.node.refuses = true })
		w.ask(tag, post("b"), broadcast.Refused)
		time.Sleep(50 * time.Minute)
		w.ask(tag, statusOf("b"), broadcast.Refused)
		time.Sleep(30 * time.Minute)
		w.ask(tag, statusOf("b"), broadcast.Unknown)
		w.ask(tag, statusOf("a"), broadcast.Accepted)
		time.Sleep(24 * time.Hour)
		w.ask(tag, statusOf("a"), broadcast.Unknown)
	})
}

// hardening.md H38: nothing of who asks for what is logged.
func TestH38NothingOfRequestsIsLogged(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, w *world) {
		tag := mixnet.NewSenderTag()
		const secret = "the secret transaction"
		hash := statusOf(secret).Hash
		w.ask(tag, post(secret), broadcast.Accepted)
		w.node.set(func() { w.node.down = fmt.Errorf("dial tcp: %s %x", secret, hash) })
		w.ask(tag, post(secret+"!"), broadcast.Queued)
		w.raw(tag, []byte(secret))
		time.Sleep(2 * time.Hour)
		w.stop()
		log := w.log.String()
		if log == "" {
			t.Fatal("nothing is logged")
		}
		for _, bad := range []string{secret, hex.EncodeToString([]byte(secret)), hex.EncodeToString(hash[:]), tag.String(), hex.EncodeToString(tag[:])} {
			if strings.Contains(log, bad) {
				t.Errorf("the log has %q in it: %s", bad, log)
			}
		}
	})
}

func TestConfigs(t *testing.T) {
	good := Config{Messenger: new(struct{ mixnet.Messenger }), Store: NewMemoryStore(), Chains: []Chain{{Chain: broadcast.Chain{Name: "x", Kind: broadcast.Post}, Node: &fakeNode{}}}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no messenger":   func(c *Config) { c.Messenger = nil },
		"no store":       func(c *Config) { c.Store = nil },
		"no chain":       func(c *Config) { c.Chains = nil },
		"no node":        func(c *Config) { c.Chains = []Chain{{Chain: broadcast.Chain{Name: "x"}}} },
		"one name twice": func(c *Config) { c.Chains = append(c.Chains, c.Chains[0]) },
		"a bad name":     func(c *Config) { c.Chains = []Chain{{Chain: broadcast.Chain{Name: "X"}, Node: &fakeNode{}}} },
		"a long delay":   func(c *Config) { c.Delay = broadcast.MaxDelay + 1 },
	} {
		c := good
		c.Chains = append([]Chain(nil), good.Chains...)
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
