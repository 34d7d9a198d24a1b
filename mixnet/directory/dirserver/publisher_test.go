package dirserver

import (
	"testing"
	"time"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

func TestPublisher(t *testing.T) {
	usual := directory.Cadence{Period: time.Minute, Lead: 20 * time.Second}
	p := &publisher{pace: newPace(usual), schedule: hourly, validity: time.Hour, last: directory.Head{Sequence: 41, Topology: directory.Hash{41}}}
	key := keys.NewIdentityKey()
	issue := func(now, at time.Time, v *directory.View) *snapshot {
		t.Helper()
		v.Cadence = usual
		v.Refreshed = p.refreshed(v, at)
		s, err := newSnapshot(v, p.seal(now, at, v.Epoch), p.last.Chain, key, false)
		if err != nil {
			t.Fatal(err)
		}
		p.issue(s, now)
		return s
	}
	at, ok := p.wants(noon)
	if !ok || !at.Equal(noon) || !p.due(noon).Equal(noon) {
		t.Fatalf("at the start: %v, %v", at, ok)
	}
	full := wholeView()
	full.Schedule, full.Epoch, full.Rotation = hourly, 100, 25
	first := issue(noon, noon, full)
	if p.current != first || first.head.Sequence != 42 || first.seal.Previous != (directory.Hash{41}) || !first.routable {
		t.Fatalf("first snapshot: %+v", first.head)
	}
	now := noon.Add(3 * time.Second)
	if _, ok := p.wants(now); ok {
		t.Error("another is wanted at once")
	}
	// Then one each minute, the lead ahead.
	if due := p.due(now); !due.Equal(noon.Add(40 * time.Second)) {
		t.Errorf("due after %v, want 40 s", due.Sub(noon))
	}
	now = noon.Add(40 * time.Second)
	at, ok = p.wants(now)
	if !ok || !at.Equal(noon.Add(time.Minute)) {
		t.Fatalf("in force at %v, %v", at, ok)
	}
	same := *full
	second := issue(now, at, &same)
	if p.current != first || p.next != second {
		t.Fatal("what is issued ahead is in force")
	}
	// What did not change is the same to the byte, so that readers need not
	// fetch it again.
	if second.head.Topology != first.head.Topology || second.seal.Previous != first.head.Topology || second.head.Sequence != 43 {
		t.Errorf("an unchanged network: head %+v after %+v", second.head, first.head)
	}
	if p.due(now) != at {
		t.Error("the switch is not due at valid-after")
	}
	if p.pass(&same, at) {
		t.Error("an unchanged network has no snapshot for a minute")
	}
	p.advance(at.Add(-1))
	if p.current != first {
		t.Error("switched too early")
	}
	p.advance(at)
	if p.current != second || p.next != nil {
		t.Error("not switched")
	}
}

// While a network comes together only what changes is worth a snapshot.
func TestPublisherPasses(t *testing.T) {
	usual := directory.Cadence{Period: time.Minute, Lead: 20 * time.Second}
	p := &publisher{pace: newPace(usual), schedule: hourly, validity: time.Hour}
	view := func(at time.Time, nodes ...directory.Node) *directory.View {
		v := &directory.View{Network: "test", Schedule: hourly, Epoch: 100, Rotation: 25, Nodes: nodes, Cadence: p.pace.quick}
		v.Refreshed = p.refreshed(v, at)
		return v
	}
	first, err := newSnapshot(view(noon), p.seal(noon, noon, 100), directory.Hash{}, keys.NewIdentityKey(), false)
	if err != nil {
		t.Fatal(err)
	}
	p.issue(first, noon)
	for i := range 29 {
		at := noon.Add(time.Duration(i+1) * settlingPeriod)
		now := at.Add(-settlingPeriod / 2)
		if due := p.due(now.Add(-1)); !due.Equal(now) {
			t.Fatalf("due after %v, want %v", due.Sub(noon), now.Sub(noon))
		}
		if got, ok := p.wants(now); !ok || !got.Equal(at) {
			t.Fatalf("wanted for %v, %v, want %v", got.Sub(noon), ok, at.Sub(noon))
		}
		if p.pass(view(at, directory.Node{ID: 7}), at) {
			t.Errorf("a new node is passed over at %v", at.Sub(noon))
		}
		if !p.pass(view(at), at) {
			t.Errorf("a snapshot of nothing new at %v", at.Sub(noon))
		}
	}
	if at := noon.Add(usual.Period); p.pass(view(at), at) {
		t.Error("no snapshot in a whole period")
	}
}

// While a network comes together snapshots follow each other quickly.
func TestPace(t *testing.T) {
	usual, quick := directory.Cadence{Period: time.Minute, Lead: 30 * time.Second}, directory.Cadence{Period: settlingPeriod, Lead: settlingPeriod / 2}
	whole := wholeView()
	empty := &directory.View{}
	more := *whole
	more.Nodes = append(more.Nodes[:len(more.Nodes):len(more.Nodes)], directory.Node{ID: 99, Role: 1, Identity: keys.NewIdentityKey().Public()})
	type say struct {
		after time.Duration // since the one before
		view  *directory.View
		want  directory.Cadence
	}
	for name, says := range map[string][]say{
		"comes together": {
			{0, empty, quick},
			{time.Hour, empty, quick},
			{2 * time.Second, whole, quick},
			{settledAfter - 1, whole, quick},
			{1, whole, usual},
			{time.Minute, &more, usual}, // whoever comes later waits a period
			{time.Minute, empty, quick},
			{2 * time.Second, whole, quick},
			{settledAfter, whole, usual},
		},
		"grows on": {
			{0, empty, quick},
			{2 * time.Second, whole, quick},
			{settledAfter - 1, &more, quick},
			{settledAfter - 1, whole, quick},
			{settledWithin, &more, usual}, // for ever it is not waited
		},
		"was there before": {{0, whole, usual}, {time.Minute, &more, usual}},
	} {
		p, now := newPace(usual), noon
		for i, s := range says {
			now = now.Add(s.after)
			if got := p.of(s.view, now); got != s.want {
				t.Errorf("%s: snapshot %d has the cadence %v, want %v", name, i, got, s.want)
			}
		}
	}
	if fast := (directory.Cadence{Period: time.Second, Lead: time.Second / 2}); newPace(fast).quick != fast {
		t.Error("a short period is made longer")
	}
}
