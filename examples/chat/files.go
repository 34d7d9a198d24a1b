package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"time"

	"nym-socks5/examples/chat/protocol"
)

// How files are sent: ../PROTOCOL.md.
const (
	onTheWay  = 16 // chunks that are sent and in no have
	ahead     = 64 // chunks beyond the first gap that are taken
	haveEvery = 4  // chunks
	silence   = 30 * time.Second
	mostQuiet = time.Hour
)

// An outgoing is a file that we send. What of it the recipient has, they tell.
type outgoing struct {
	e      *entry
	f      *os.File // a copy of ours, open once the recipient has agreed
	have   protocol.Have
	at     time.Time            // of that have, by the recipient's clock
	flight map[uint32]time.Time // chunks on the way, and when the gateway had them; zero: not yet
	probe  time.Time            // when to ask what is there
	quiet  time.Duration        // until the next time
}

func newOutgoing(e *entry) *outgoing {
	return &outgoing{e: e, have: protocol.Have{Below: e.File.Below}, flight: make(map[uint32]time.Time), quiet: silence}
}

func (o *outgoing) close() {
	if o.f != nil {
		o.f.Close()
		o.f = nil
	}
}

// has reports whether a chunk is in a have.
func has(h protocol.Have, i uint32) bool {
	return i < h.Below || i > h.Below && i-h.Below <= 64 && h.Beyond>>(i-h.Below-1)&1 == 1
}

// bytesOf is how many bytes of a file a have stands for.
func bytesOf(f *file, h protocol.Have) uint64 {
	chunks := uint64(h.Below) + uint64(bits.OnesCount64(h.Beyond))
	return min(f.Size, chunks*protocol.ChunkSize)
}

// An incoming is a file that we take.
type incoming struct {
	e       *entry
	f       *os.File
	have    protocol.Have
	fresh   int       // chunks since the last have
	last    time.Time // when one came
	told    time.Time // when the last have was sent
	quiet   time.Duration
	hashing bool
}

func newIncoming(e *entry) *incoming {
	return &incoming{e: e, have: protocol.Have{File: e.ID, Below: e.File.Below}, quiet: silence}
}

func (in *incoming) close() {
	if in.f != nil {
		in.f.Close()
		in.f = nil
	}
}

func (p *person) closeFiles() {
	for _, t := range p.contacts {
		for _, o := range t.sending {
			o.close()
		}
		for _, in := range t.taking {
			in.close()
		}
	}
}

// shape is what the protocol knows of a file.
func shape(f *file) protocol.File { return protocol.File{Size: f.Size, Hash: f.Hash, Name: f.Name} }

// A copied is a file that was copied for sending.
type copied struct {
	id   protocol.ID
	file file
}

// copyFile takes a copy of what is to be sent, so that it may change or go meanwhile.
// It may be called by anybody.
func (p *person) copyFile(name string, r io.Reader) (c copied, err error) {
	if err := protocol.CheckFileName(name); err != nil {
		return copied{}, err
	}
	c = copied{protocol.NewID(), file{Name: name, State: offered}}
	path := p.path("outgoing", c.id.String())
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return copied{}, fmt.Errorf("chat: copy %s: %w", name, err)
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(r, protocol.MaxFile+1))
	if err == nil && (n == 0 || n > protocol.MaxFile) {
		err = fmt.Errorf("a file has 1 to %d bytes", protocol.MaxFile)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
		return copied{}, fmt.Errorf("chat: copy %s: %w", name, err)
	}
	c.file.Size, c.file.Hash = uint64(n), [32]byte(h.Sum(nil))
	return c, nil
}

// offer offers a file that was copied.
func (p *person) offer(t *talk, c copied) (*entry, error) {
	if t.State == asks || t.State == ignored {
		os.Remove(p.path("outgoing", c.id.String()))
		return nil, fmt.Errorf("chat: accept %s first", t.label())
	}
	e := &entry{ID: c.id, Out: true, File: &c.file, Time: time.Now(), State: waiting}
	t.sending[e.ID] = newOutgoing(e)
	return e, p.begin(t, e)
}

// offeredFile takes in that a contact has a file for us, or asks how much of it we have.
func (p *person) offeredFile(t *talk, s protocol.Sealed, f protocol.File, now time.Time) {
	if in := t.taking[s.ID]; in != nil {
		t.confirm(s.ID)
		p.tellHave(t, in, now)
		return
	}
	old, err := p.book.find(t.ID, s.ID)
	if !p.saved(err) {
		return
	}
	if old != nil && !old.Out && old.File != nil && old.File.State.over() {
		t.confirm(s.ID)
		p.tellEnd(t, s.ID, old.File.State, now)
		return
	}
	if old == nil && p.offers(t) >= maxOffers {
		return
	}
	p.take(t, s, &entry{File: &file{Name: f.Name, Size: f.Size, Hash: f.Hash, State: offered}}, now)
}

// offers counts files of a contact that have not come to an end.
func (p *person) offers(t *talk) (n int) {
	all, err := p.book.entries(t.ID, 0, 1000)
	p.saved(err)
	for _, e := range all {
		if e.File != nil && !e.Out && !e.File.State.over() {
			n++
		}
	}
	return n
}

// decideFile takes or declines a file that a contact offers, or ends one that moves.
func (p *person) decideFile(t *talk, e *entry, yes bool) error {
	switch {
	case e.File == nil || e.File.State.over():
		return errors.New("chat: there is no file to decide on")
	case yes && (e.Out || e.File.State != offered):
		return errors.New("chat: this file is not offered to us")
	case yes:
		e.File.State = moving
		in := newIncoming(e)
		t.taking[e.ID] = in
		p.tellHave(t, in, time.Now())
	case e.File.State == offered && !e.Out:
		p.finish(t, e, declined)
		p.tellEnd(t, e.ID, declined, time.Now())
	default:
		p.finish(t, e, canceled)
		p.tellEnd(t, e.ID, canceled, time.Now())
	}
	return p.err
}

// finish notes what became of a file, and lets go of what is not needed any more.
func (p *person) finish(t *talk, e *entry, s fileState) {
	e.File.State = s
	if o := t.sending[e.ID]; o != nil {
		o.close()
		delete(t.sending, e.ID)
	}
	if in := t.taking[e.ID]; in != nil {
		in.close()
		delete(t.taking, e.ID)
	}
	os.Remove(p.path("outgoing", e.ID.String()))
	os.Remove(p.path("incoming", e.ID.String()))
	p.saved(p.book.saveEntry(t.ID, e))
	p.changed(t, e)
}

var reasons = map[fileState]protocol.Reason{complete: protocol.Complete, declined: protocol.Declined, canceled: protocol.Canceled, damaged: protocol.Damaged}

func (p *person) tellEnd(t *talk, id protocol.ID, s fileState, now time.Time) {
	if t.State == known {
		p.tell(t, protocol.NewID(), now, protocol.End{File: id, Reason: reasons[s]}, nil)
	}
}

// endOf takes in that there will be no more of a file.
func (p *person) endOf(t *talk, end protocol.End) {
	var e *entry
	if o := t.sending[end.File]; o != nil {
		e = o.e
	} else if in := t.taking[end.File]; in != nil {
		e = in.e
	} else if old, err := p.book.find(t.ID, end.File); p.saved(err) && old != nil && old.File != nil && !old.File.State.over() {
		e = old
	}
	if e == nil {
		return
	}
	if e.Out && e.State != received { // they speak of it, so they have the offer
		delete(t.pending, e.ID)
		e.State = received
	}
	for s, r := range reasons {
		// Whether a file is complete only the recipient can know.
		if r == end.Reason && (s != complete || e.Out) {
			p.finish(t, e, s)
		}
	}
}

// have takes in how much of a file the contact has.
func (p *person) have(t *talk, h protocol.Have, at, now time.Time) {
	o := t.sending[h.File]
	if o == nil {
		if e, err := p.book.find(t.ID, h.File); p.saved(err) && e != nil && e.Out && e.File != nil && e.File.State.over() && e.File.State != complete {
			p.tellEnd(t, h.File, e.File.State, now)
		}
		return
	}
	if at.Before(o.at) || h.Below > shape(o.e.File).Chunks() {
		return // an older one that was overtaken
	}
	o.have, o.at, o.quiet = h, at, silence
	o.probe = now.Add(o.quiet)
	for i, acked := range o.flight {
		if has(h, i) || !acked.IsZero() && now.Sub(acked) > silence {
			delete(o.flight, i) // arrived, or lost
		}
	}
	o.e.File.State, o.e.File.Below = moving, h.Below
	p.saved(p.book.saveEntry(t.ID, o.e))
	p.changed(t, o.e)
	p.pump(t, o, now)
}

// pump sends the chunks for which there is room.
func (p *person) pump(t *talk, o *outgoing, now time.Time) {
	if o.e.File.State != moving || t.sending[o.e.ID] != o {
		return
	}
	if o.f == nil {
		f, err := os.Open(p.path("outgoing", o.e.ID.String()))
		if err != nil {
			p.finish(t, o.e, damaged)
			p.tellEnd(t, o.e.ID, damaged, now)
			return
		}
		o.f = f
	}
	for i := o.have.Below; i < o.have.Below+ahead && len(o.flight) < onTheWay; i++ {
		n := shape(o.e.File).ChunkLen(i)
		if _, flying := o.flight[i]; n == 0 || flying || has(o.have, i) {
			continue
		}
		data := make([]byte, n)
		if _, err := o.f.ReadAt(data, int64(i)*protocol.ChunkSize); err != nil {
			p.finish(t, o.e, damaged)
			p.tellEnd(t, o.e.ID, damaged, now)
			return
		}
		done := func(err error) {
			if _, flying := o.flight[i]; flying && err == nil {
				o.flight[i] = time.Now()
			} else if err != nil {
				delete(o.flight, i)
			}
		}
		if !p.tell(t, protocol.NewID(), now, protocol.Chunk{File: o.e.ID, Index: i, Data: data}, done) {
			return
		}
		o.flight[i] = time.Time{}
		if o.probe.IsZero() {
			o.probe = now.Add(o.quiet)
		}
	}
}

// tickOutgoing asks what is there when nothing was heard for long.
func (p *person) tickOutgoing(t *talk, o *outgoing, now time.Time) {
	if o.e.File.State != moving {
		return
	}
	if o.probe.IsZero() { // after a restart
		o.probe = now
	}
	if !now.Before(o.probe) {
		if p.tell(t, o.e.ID, o.e.Time, shape(o.e.File), nil) {
			o.quiet = min(2*o.quiet, mostQuiet)
			o.probe = now.Add(o.quiet)
		}
		return
	}
	p.pump(t, o, now)
}

// chunk takes in a piece of a file.
func (p *person) chunk(t *talk, c protocol.Chunk, now time.Time) {
	in := t.taking[c.File]
	if in == nil {
		if e, err := p.book.find(t.ID, c.File); p.saved(err) && e != nil && !e.Out && e.File != nil && e.File.State.over() {
			p.tellEnd(t, c.File, e.File.State, now)
		}
		return
	}
	if len(c.Data) != shape(in.e.File).ChunkLen(c.Index) || c.Index >= in.have.Below+ahead || in.hashing {
		return
	}
	in.last, in.quiet = now, silence
	if in.fresh++; !has(in.have, c.Index) {
		if err := p.writeChunk(in, c); err != nil {
			// Of a full disk, say. What was said by now stays.
			p.finish(t, in.e, canceled)
			p.tellEnd(t, in.e.ID, canceled, now)
			return
		}
		in.add(c.Index)
		p.changed(t, in.e)
	}
	if in.have.Below == shape(in.e.File).Chunks() {
		p.check(t, in)
	} else if in.fresh >= haveEvery {
		p.tellHave(t, in, now)
	}
}

// add notes a chunk.
func (in *incoming) add(i uint32) {
	if i > in.have.Below {
		in.have.Beyond |= 1 << (i - in.have.Below - 1)
		return
	}
	in.have.Below++
	for in.have.Beyond&1 == 1 {
		in.have.Below++
		in.have.Beyond >>= 1
	}
	in.have.Beyond >>= 1 // the bit of the chunk that is now the gap
}

func (p *person) writeChunk(in *incoming, c protocol.Chunk) (err error) {
	if in.f == nil {
		if in.f, err = os.OpenFile(p.path("incoming", in.e.ID.String()), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			return err
		}
	}
	_, err = in.f.WriteAt(c.Data, int64(c.Index)*protocol.ChunkSize)
	return err
}

// tellHave says how much of a file is on disk.
func (p *person) tellHave(t *talk, in *incoming, now time.Time) {
	if in.f != nil {
		if err := in.f.Sync(); err != nil {
			p.finish(t, in.e, canceled)
			p.tellEnd(t, in.e.ID, canceled, now)
			return
		}
	}
	in.e.File.Below = in.have.Below
	if p.saved(p.book.saveEntry(t.ID, in.e)) && p.tell(t, protocol.NewID(), now, in.have, nil) {
		in.fresh, in.told = 0, now
	}
	p.changed(t, in.e)
}

// tickIncoming tells what is there a second after the last chunk, and when nothing was
// heard for long.
func (p *person) tickIncoming(t *talk, in *incoming, now time.Time) {
	switch {
	case in.hashing:
	case in.have.Below == shape(in.e.File).Chunks(): // after a restart
		p.check(t, in)
	case in.fresh > 0 && now.Sub(in.last) >= time.Second:
		p.tellHave(t, in, now)
	case now.Sub(in.told) >= in.quiet && now.Sub(in.last) >= in.quiet:
		p.tellHave(t, in, now)
		in.quiet = min(2*in.quiet, mostQuiet)
	}
}

// check compares the hash of a file that is all there, in the background.
func (p *person) check(t *talk, in *incoming) {
	in.hashing = true
	from, folder := p.path("incoming", in.e.ID.String()), p.path("files", in.e.ID.String())
	to, want := p.received(in.e), in.e.File.Hash
	p.background.Go(func() {
		ok := hashIs(from, want) && os.MkdirAll(folder, 0o700) == nil && os.Rename(from, to) == nil
		ok = ok || hashIs(to, want) // before a restart
		p.post(func() {
			if t.taking[in.e.ID] != in {
				return // ended meanwhile
			}
			state := complete
			if !ok {
				state = damaged
			}
			p.finish(t, in.e, state)
			p.tellEnd(t, in.e.ID, state, time.Now())
		})
	})
}

// received is where a file of a contact is when it is complete.
func (p *person) received(e *entry) string { return p.path("files", e.ID.String(), e.File.Name) }

func hashIs(path string, want [32]byte) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && f.Sync() == nil && [32]byte(h.Sum(nil)) == want
}
