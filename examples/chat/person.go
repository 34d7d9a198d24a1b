package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nym-socks5/examples/chat/protocol"
	"nym-socks5/mixnet"
)

// Bounds.
const (
	maxContacts = 1000
	maxAsks     = 32   // strangers who wait for our decision
	maxHeld     = 16   // messages that overtook a received, of one contact
	maxOffers   = 32   // files of one contact that have not come to an end
	maxQueued   = 256  // messages of one contact that wait to be sent
	maxReceipts = 1024 // that wait, of one contact; what is not confirmed comes again
	maxEvents   = 256  // that a page has not read
	addresses   = 8    // of ours that a hello may have been sent to
)

// A person is who uses this program: their contacts, and what goes to and fro. One
// goroutine, in run, owns all that is below the channels; do lets others in.
type person struct {
	m    mixnet.Messenger
	book *book
	dir  string // of files
	key  ed25519.PrivateKey
	me   protocol.Key

	calls chan func()
	wake  chan struct{} // one place: somebody has posted
	ended chan struct{}

	mu     sync.Mutex
	posted []func() // by those who must not wait

	background sync.WaitGroup // of what hashes files

	err       error // what ends run
	name      string
	addresses []string          // ours, the newest first
	targets   []protocol.Target // of hellos to these
	card      protocol.Card     // with the newest
	cardText  string
	contacts  map[uint64]*talk
	listeners map[chan event]struct{}
	send      func(to *talk, b []byte, done func(error)) bool
}

// A talk is a contact, and what is in memory about the conversation.
type talk struct {
	*contact
	pending  map[protocol.ID]*entry // ours that were not received
	receipts []protocol.ID          // to be sent
	held     []protocol.Sealed
	queue    chan queued
	sending  map[protocol.ID]*outgoing
	taking   map[protocol.ID]*incoming
}

// A queued is a message that waits to be sent.
type queued struct {
	to   mixnet.Recipient
	b    []byte
	done func(error)
}

// An event tells a page or a terminal what has changed.
type event struct {
	contact *contactView // this contact, or that it is gone
	entry   *entryView   // or this entry of a conversation
}

// newPerson makes one of what is in a folder.
func newPerson(m mixnet.Messenger, b *book, dir, name string) (*person, error) {
	p := &person{
		m: m, book: b, dir: dir, key: ed25519.NewKeyFromSeed(b.self("key")),
		calls: make(chan func()), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		contacts: make(map[uint64]*talk), listeners: make(map[chan event]struct{}),
	}
	p.me = protocol.Key(p.key.Public().(ed25519.PublicKey))
	for _, d := range []string{dir, p.path("outgoing"), p.path("incoming"), p.path("files")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("chat: %w", err)
		}
	}
	if p.name = string(b.self("name")); name != "" && name != p.name {
		if err := protocol.CheckName(name); err != nil {
			return nil, err
		}
		p.name = name
		if err := b.setSelf("name", []byte(name)); err != nil {
			return nil, err
		}
	}
	if p.name == "" {
		return nil, errors.New("chat: say by -name what others should call you")
	}
	if v := b.self("addresses"); v != nil {
		if err := json.Unmarshal(v, &p.addresses); err != nil {
			return nil, fmt.Errorf("chat: damaged addresses: %w", err)
		}
	}
	p.move(m.Address())
	contacts, err := b.contacts()
	if err = errors.Join(err, p.err); err != nil {
		return nil, err
	}
	for _, c := range contacts {
		c.Retry = retry{} // what it is about may not have left
		t := newTalk(c)
		p.contacts[c.ID] = t
		all, err := b.entries(c.ID, 0, 1<<30)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			p.resume(t, e)
		}
	}
	return p, p.sweep()
}

// sweep removes pieces of files that nobody waits for any more: the program ended before
// they were offered, or when they were done with.
func (p *person) sweep() error {
	for _, folder := range []string{"outgoing", "incoming"} {
		all, err := os.ReadDir(p.path(folder))
		if err != nil {
			return fmt.Errorf("chat: %w", err)
		}
		for _, f := range all {
			var id protocol.ID
			wanted := false
			if id.UnmarshalText([]byte(f.Name())) == nil {
				for _, t := range p.contacts {
					wanted = wanted || t.sending[id] != nil || t.taking[id] != nil
				}
			}
			if !wanted {
				if err := os.Remove(p.path(folder, f.Name())); err != nil {
					return fmt.Errorf("chat: %w", err)
				}
			}
		}
	}
	return nil
}

func newTalk(c *contact) *talk {
	return &talk{contact: c, pending: make(map[protocol.ID]*entry), sending: make(map[protocol.ID]*outgoing), taking: make(map[protocol.ID]*incoming)}
}

// confirm has a message confirmed, soon.
func (t *talk) confirm(id protocol.ID) {
	if len(t.receipts) < maxReceipts {
		t.receipts = append(t.receipts, id)
	}
}

// resume takes up what was not done when the program ended.
func (p *person) resume(t *talk, e *entry) {
	if e.Out && e.State != received {
		t.pending[e.ID] = e
		if e.State == waiting {
			e.Retry = retry{} // it may not have left
		}
	}
	if e.File != nil && !e.File.State.over() {
		if e.Out {
			t.sending[e.ID] = newOutgoing(e)
		} else if e.File.State == moving {
			t.taking[e.ID] = newIncoming(e)
		}
	}
}

func (p *person) path(parts ...string) string {
	return filepath.Join(append([]string{p.dir}, parts...)...)
}

// run sends and receives until ctx ends, then returns nil.
func (p *person) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	p.send = func(t *talk, b []byte, done func(error)) bool {
		if t.queue == nil { // a goroutine for each contact keeps the order
			queue := make(chan queued, maxQueued)
			t.queue = queue
			lane := mixnet.Lane(t.ID)
			g.Go(func() error { return p.sendAll(ctx, lane, queue) })
		}
		select {
		case t.queue <- queued{t.Card.Address, b, done}:
			return true
		default:
			return false
		}
	}
	messages := make(chan mixnet.Message)
	g.Go(func() error {
		for {
			m, err := p.m.Receive(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("chat: receive: %w", err)
			}
			select {
			case messages <- m:
			case <-ctx.Done():
				return nil
			}
		}
	})
	g.Go(func() error {
		defer close(p.ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		defer p.closeFiles()
		p.tick(time.Now())
		for p.err == nil {
			select {
			case f := <-p.calls:
				f()
			case m := <-messages:
				p.handle(m.Body, time.Now())
			case <-p.wake:
				p.mu.Lock()
				posted := p.posted
				p.posted = nil
				p.mu.Unlock()
				for _, f := range posted {
					f()
				}
			case <-tick.C:
				p.tick(time.Now())
			case <-ctx.Done():
				return nil
			}
		}
		return p.err
	})
	defer p.background.Wait()
	return g.Wait()
}

// do has the owner call f, and waits for it.
func (p *person) do(f func()) error {
	called := make(chan struct{})
	select {
	case p.calls <- func() { f(); close(called) }:
		<-called
		return nil
	case <-p.ended:
		return errors.New("chat: the program ends")
	}
}

// post has the owner call f, and does not wait.
func (p *person) post(f func()) {
	p.mu.Lock()
	p.posted = append(p.posted, f)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // it will look
	}
}

// sendAll sends what is queued for a contact.
func (p *person) sendAll(ctx context.Context, lane mixnet.Lane, queue chan queued) error {
	for {
		select {
		case q := <-queue:
			told := func(err error) { p.post(func() { q.done(err) }) }
			if err := p.m.Send(ctx, q.to, q.b, mixnet.SendOptions{Lane: lane, Done: told}); err != nil {
				told(err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// saved ends the program if something could not be written: what is not on disk must
// not be confirmed.
func (p *person) saved(err error) bool {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("chat: write: %w", err)
	}
	return p.err == nil
}

// tell sends one body to a contact. It reports whether it was queued; done, if it is not
// nil, is told what became of it.
func (p *person) tell(t *talk, id protocol.ID, at time.Time, body protocol.Body, done func(error)) bool {
	var to protocol.Target
	if body.Kind() == protocol.KindHello {
		to = protocol.ToAddress(t.Card.Address)
	} else {
		to = protocol.ToKey(*t.Key)
	}
	b, err := protocol.Seal(p.key, to, protocol.Message{ID: id, Time: at, Body: body})
	if err != nil { // was checked before
		p.err = err
		return false
	}
	if done == nil {
		done = func(error) {}
	}
	return p.send(t, b, done)
}

// move takes up our address of the moment.
func (p *person) move(at mixnet.Recipient) {
	p.card = protocol.Card{Address: at, Name: p.name}
	p.cardText = p.card.String()
	if a := at.String(); !slices.Contains(p.addresses, a) {
		p.addresses = append([]string{a}, p.addresses...)
		p.addresses = p.addresses[:min(len(p.addresses), addresses)]
		v, err := json.Marshal(p.addresses)
		p.saved(errors.Join(err, p.book.setSelf("addresses", v)))
	}
	p.targets = nil
	for _, text := range p.addresses {
		if a, err := mixnet.ParseRecipientText(text); err == nil {
			p.targets = append(p.targets, protocol.ToAddress(a))
		}
	}
}

// tick does what is due.
func (p *person) tick(now time.Time) {
	if at := p.m.Address(); at != p.card.Address {
		p.move(at)
	}
	for _, t := range p.contacts {
		p.tickContact(t, now)
		for len(t.receipts) > 0 {
			n := min(len(t.receipts), protocol.MaxReceipts)
			if !p.tell(t, protocol.NewID(), now, protocol.Received(slices.Clone(t.receipts[:n])), nil) {
				break
			}
			t.receipts = t.receipts[n:]
		}
		if t.State != known {
			continue
		}
		for _, e := range sorted(t.pending) {
			if e.Retry.First.IsZero() || e.Retry.due(now) {
				p.sendEntry(t, e, now)
			}
		}
		for _, o := range t.sending {
			p.tickOutgoing(t, o, now)
		}
		for _, in := range t.taking {
			p.tickIncoming(t, in, now)
		}
	}
}

func sorted(pending map[protocol.ID]*entry) []*entry {
	all := make([]*entry, 0, len(pending))
	for _, e := range pending {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return int(int64(a.Seq) - int64(b.Seq)) })
	return all
}

// tickContact sends what makes somebody a contact, or a changed card.
func (p *person) tickContact(t *talk, now time.Time) {
	var id protocol.ID
	var body protocol.Body
	if t.State == known && t.Told != p.cardText && t.CardID == (protocol.ID{}) {
		t.CardID, t.Retry = protocol.NewID(), retry{}
	}
	if !t.Retry.First.IsZero() && !t.Retry.due(now) {
		return
	}
	switch {
	case t.State == asked:
		id, body = t.Hello, protocol.Hello{Card: p.card}
	case t.State == accepted:
		id, body = t.Accept, protocol.Accept{Hello: t.Theirs, Card: p.card}
	case t.State == known && t.CardID != protocol.ID{}:
		id, body = t.CardID, p.card
	default:
		return
	}
	t.Told = p.cardText
	if p.tell(t, id, now, body, nil) {
		t.Retry.sent(now)
		p.saved(p.book.saveContact(t.contact))
	}
}

// sendEntry sends a text or offers a file, for the first time or again.
func (p *person) sendEntry(t *talk, e *entry, now time.Time) {
	var body protocol.Body = protocol.Text(e.Text)
	if e.File != nil {
		body = protocol.File{Size: e.File.Size, Hash: e.File.Hash, Name: e.File.Name}
	}
	queued := p.tell(t, e.ID, e.Time, body, func(err error) {
		if err == nil && e.State == waiting {
			e.State = sent
			p.saved(p.book.saveEntry(t.ID, e))
			p.changed(t, e)
		}
	})
	if queued {
		e.Retry.sent(now)
		p.saved(p.book.saveEntry(t.ID, e))
	}
}

// handle takes in a message. What breaks a rule is dropped without an answer: it is
// not worth one, and who sent it should not learn anything.
func (p *person) handle(b []byte, now time.Time) {
	s, err := protocol.Parse(b)
	if err != nil || s.From == p.me {
		return
	}
	var from *talk
	for _, t := range p.contacts {
		if t.Key != nil && *t.Key == s.From {
			from = t
		}
	}
	if hello, ok := s.Body.(protocol.Hello); ok {
		if p.isForUs(s) {
			p.hello(from, s.From, s.ID, hello, now)
		}
		return
	}
	if !s.Verify(protocol.ToKey(p.me)) {
		return
	}
	if accept, ok := s.Body.(protocol.Accept); ok {
		p.accept(s.From, s.ID, accept, now)
		return
	}
	if from == nil {
		return
	}
	if ids, ok := s.Body.(protocol.Received); ok && from.State == accepted && slices.Contains(ids, from.Accept) {
		p.becomesKnown(from, now)
		return
	}
	switch {
	case from.State == known:
		p.fromContact(from, s, now)
	case from.State == accepted && len(from.held) < maxHeld:
		from.held = append(from.held, s)
	}
}

// isForUs reports whether a hello was sent to an address of ours.
func (p *person) isForUs(s protocol.Sealed) bool {
	return slices.ContainsFunc(p.targets, s.Verify)
}

// hello takes in that somebody would be our contact.
func (p *person) hello(t *talk, from protocol.Key, id protocol.ID, h protocol.Hello, now time.Time) {
	if t == nil {
		for _, c := range p.contacts {
			if c.State == asked && c.Card.Address == h.Address {
				t = c // we have asked them, too
			}
		}
	}
	switch {
	case t == nil:
		n := 0
		for _, c := range p.contacts {
			if c.State == asks {
				n++
			}
		}
		if n >= maxAsks || len(p.contacts) >= maxContacts {
			return
		}
		t = newTalk(&contact{State: asks, Card: h.Card, Key: &from, Theirs: id})
		if p.saved(p.book.saveContact(t.contact)) {
			p.contacts[t.ID] = t
			p.changed(t, nil)
		}
	case t.State == asks || t.State == ignored:
		t.Card, t.Theirs = h.Card, id
		p.saved(p.book.saveContact(t.contact))
	default: // one of ours: agreed. Whether the key is theirs, the answer to our accept tells
		t.Key, t.Card, t.Theirs = &from, h.Card, id
		p.agree(t, now)
	}
}

// agree answers a hello.
func (p *person) agree(t *talk, now time.Time) {
	if t.State != known {
		t.State = accepted
	}
	if t.Accept == (protocol.ID{}) {
		t.Accept = protocol.NewID()
	}
	t.Retry = retry{}
	if t.State == known { // they have lost us: once is enough, they will ask again
		p.tell(t, t.Accept, now, protocol.Accept{Hello: t.Theirs, Card: p.card}, nil)
		t.Retry.sent(now)
	}
	p.tickContact(t, now)
	if p.saved(p.book.saveContact(t.contact)) {
		p.changed(t, nil)
	}
}

// accept takes in the answer to our hello. Who quotes its id has read it, and so owns the
// address that it went to.
func (p *person) accept(from protocol.Key, id protocol.ID, a protocol.Accept, now time.Time) {
	for _, t := range p.contacts {
		ours := t.Hello == a.Hello && t.Hello != protocol.ID{} && (t.State == asked || t.State == accepted)
		again := t.State == known && *t.Key == from
		if !ours && !again {
			continue
		}
		t.Key, t.Card = &from, a.Card
		t.confirm(id)
		if !again {
			p.becomesKnown(t, now)
		}
		return
	}
}

// becomesKnown begins a conversation.
func (p *person) becomesKnown(t *talk, now time.Time) {
	t.State, t.Retry, t.CardID = known, retry{}, protocol.ID{}
	held := t.held
	t.held = nil
	if p.saved(p.book.saveContact(t.contact)) {
		p.changed(t, nil)
	}
	for _, s := range held {
		p.fromContact(t, s, now)
	}
	p.tick(now)
}

// fromContact takes in what a contact says.
func (p *person) fromContact(t *talk, s protocol.Sealed, now time.Time) {
	for _, e := range t.pending {
		e.Retry.alive(now)
	}
	t.Retry.alive(now)
	switch body := s.Body.(type) {
	case protocol.Received:
		p.receivedBy(t, body)
	case protocol.Card:
		t.Card = body
		t.confirm(s.ID)
		p.saved(p.book.saveContact(t.contact))
		p.changed(t, nil)
	case protocol.Text:
		p.take(t, s, &entry{Text: string(body)}, now)
	case protocol.File:
		p.offeredFile(t, s, body, now)
	case protocol.Chunk:
		p.chunk(t, body, now)
	case protocol.Have:
		p.have(t, body, s.Time, now)
	case protocol.End:
		t.confirm(s.ID)
		p.endOf(t, body)
	}
}

// receivedBy marks what the contact has on disk.
func (p *person) receivedBy(t *talk, ids protocol.Received) {
	for _, id := range ids {
		if id == t.CardID && id != (protocol.ID{}) {
			t.CardID, t.Retry = protocol.ID{}, retry{}
			p.saved(p.book.saveContact(t.contact))
		}
		e := t.pending[id]
		if e == nil {
			continue
		}
		e.State = received
		delete(t.pending, id)
		p.saved(p.book.saveEntry(t.ID, e))
		p.changed(t, e)
	}
}

// take keeps an entry of a contact, once, and confirms it each time.
func (p *person) take(t *talk, s protocol.Sealed, e *entry, now time.Time) (fresh bool) {
	old, err := p.book.find(t.ID, s.ID)
	if !p.saved(err) {
		return false
	}
	if old == nil {
		e.ID, e.Time = s.ID, s.Time
		if e.Time.After(now) {
			e.Time = now
		}
		if !p.saved(p.book.saveEntry(t.ID, e)) {
			return false
		}
		p.changed(t, e)
		p.changed(t, nil)
	}
	t.confirm(s.ID)
	return old == nil
}

// What people do. These are called by the owner, by way of do.

// add makes a contact of a card.
func (p *person) add(text, name string) (*talk, error) {
	card, err := protocol.ParseCard(text)
	if err != nil {
		return nil, err
	}
	if name != "" {
		if err := protocol.CheckName(name); err != nil {
			return nil, err
		}
	}
	if card.Address == p.m.Address() {
		return nil, errors.New("chat: this is your own card")
	}
	for _, t := range p.contacts {
		if t.Card.Address == card.Address && (t.State == asks || t.State == ignored) {
			p.agree(t, time.Now())
			return t, nil
		}
		if t.Card.Address == card.Address {
			return nil, fmt.Errorf("chat: %s is a contact already", t.label())
		}
	}
	if len(p.contacts) >= maxContacts {
		return nil, fmt.Errorf("chat: %d contacts are the most", maxContacts)
	}
	t := newTalk(&contact{State: asked, Card: card, Name: name, Hello: protocol.NewID()})
	if t.Card.Name == "" { // a card that is kept has one
		t.Card.Name = t.label()
	}
	if !p.saved(p.book.saveContact(t.contact)) {
		return nil, p.err
	}
	p.contacts[t.ID] = t
	p.tickContact(t, time.Now())
	p.changed(t, nil)
	return t, nil
}

func (p *person) find(id uint64) (*talk, error) {
	if t := p.contacts[id]; t != nil {
		return t, nil
	}
	return nil, errors.New("chat: there is no such contact")
}

// decide says whether somebody who asks becomes a contact.
func (p *person) decide(t *talk, yes bool) error {
	if t.State != asks && t.State != ignored {
		return fmt.Errorf("chat: %s does not ask", t.label())
	}
	if yes {
		p.agree(t, time.Now())
		return p.err
	}
	t.State = ignored
	p.saved(p.book.saveContact(t.contact))
	p.changed(t, nil)
	return p.err
}

// remove forgets a contact. Who asks again is a stranger.
func (p *person) remove(t *talk) error {
	for _, o := range t.sending {
		o.close()
		os.Remove(p.path("outgoing", o.e.ID.String()))
	}
	for _, in := range t.taking {
		in.close()
		os.Remove(p.path("incoming", in.e.ID.String()))
	}
	delete(p.contacts, t.ID)
	p.saved(p.book.removeContact(t.ID))
	p.publish(event{contact: &contactView{ID: t.ID, Gone: true}})
	return p.err
}

// write says something to a contact.
func (p *person) write(t *talk, text string) (*entry, error) {
	if t.State == asks || t.State == ignored {
		return nil, fmt.Errorf("chat: accept %s first", t.label())
	}
	e := &entry{ID: protocol.NewID(), Out: true, Text: text, Time: time.Now(), State: waiting}
	if _, err := protocol.Seal(p.key, protocol.Target{}, protocol.Message{Time: e.Time, Body: protocol.Text(text)}); err != nil {
		return nil, err
	}
	return e, p.begin(t, e)
}

// begin keeps an entry of ours and, if they know us, sends it.
func (p *person) begin(t *talk, e *entry) error {
	if !p.saved(p.book.saveEntry(t.ID, e)) {
		return p.err
	}
	t.pending[e.ID] = e
	if t.State == known {
		p.sendEntry(t, e, time.Now())
	}
	p.changed(t, e)
	return p.err
}
