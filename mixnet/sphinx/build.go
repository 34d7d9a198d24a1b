package sphinx

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"

	"nym-socks5/internal/vec8"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// A Hop is one node of a route.
type Hop struct {
	Addr  mixnet.NodeAddr // its mix port
	Key   keys.Sphinx     // on the curve and not of low order, as keys.ParseSphinx ensures
	Delay time.Duration   // to be waited at this hop; that of the last hop is never encoded
}

// A Job is one packet or one SURB to build. Every drawn byte is an input.
// Exactly one of Packet and SURB is set.
type Job struct {
	Version Version          // if zero, Version259
	Route   []Hop            // 1 to MaxHops
	Dest    keys.Identity    // the client whom the last hop serves
	ID      [16]byte         // Nym writes zeros
	Secret  [32]byte         // fresh random bytes
	Padding [MaxPadding]byte // fresh random bytes; a route of n hops uses 300-60(n-1)-52

	// Message is the payload's plaintext, at most 17 bytes smaller than the
	// payload. It may hold the whole Packet of an earlier job of the same call, as
	// a SURB-ACK lies in front of the message that it acknowledges. Smaller packets
	// of a call are complete before larger ones begin, so it need not be
	// complete before the call.
	Message []byte
	// Packet receives the whole packet. Its length is the packet's.
	Packet []byte
	// SURB receives the bytes of a SURB. Its length is SURBSize.
	SURB []byte
}

func (j *Job) version() Version {
	if j.Version == 0 {
		return Version259
	}
	return j.Version
}

func (j *Job) check() error {
	v := j.version()
	switch {
	case len(j.Route) < 1 || len(j.Route) > MaxHops:
		return fmt.Errorf("sphinx: build: route of %d hops, want 1 to %d", len(j.Route), MaxHops)
	case v != Version258 && v != Version259:
		return fmt.Errorf("sphinx: build: version %v is not built", v)
	case (j.Packet == nil) == (j.SURB == nil):
		return fmt.Errorf("sphinx: build: a job makes either a packet or a SURB")
	case j.SURB != nil && len(j.SURB) != SURBSize(v, len(j.Route)):
		return fmt.Errorf("sphinx: build: SURB of %d bytes, want %d", len(j.SURB), SURBSize(v, len(j.Route)))
	case j.Packet != nil:
		return checkRoom(j.Packet, j.Message)
	}
	return nil
}

// checkRoom refuses a message that does not fit the packet's payload.
func checkRoom(packet, message []byte) error {
	if n := len(packet) - HeaderSize; n < minPayload || len(message)+PayloadOverhead > n {
		return fmt.Errorf("sphinx: build: message of %d bytes for a packet of %d", len(message), len(packet))
	}
	return nil
}

// A Builder holds the scratch space for building. The zero Builder is ready;
// one goroutine may use it at a time.
type Builder struct {
	// Tables speed up building for nodes whose keys come again. They may be nil.
	Tables *Tables

	lanes  lanes
	drafts [BatchSize]draft
	covers [BatchSize]cover
}

// A draft is what a Builder knows of one header.
type draft struct {
	tables [MaxHops]*vec8.Table // of the nodes' keys; nil where there is none
	keys   [MaxHops]schedule
	stream [MaxHops][streamSize]byte
	run    blinded
	alpha  [alphaSize]byte
	mac    [macSize]byte
	beta   [betaSize]byte
}

// Build does all jobs, or none if one of them is wrong. It takes them in groups
// of [BatchSize] and in phases: secrets of all, headers of all, payloads of all.
func (b *Builder) Build(jobs []Job) error {
	for i := range jobs {
		if err := jobs[i].check(); err != nil {
			return err
		}
	}
	for len(jobs) > 0 {
		n := min(len(jobs), BatchSize)
		if err := b.batch(jobs[:n]); err != nil {
			return err
		}
		jobs = jobs[n:]
	}
	return nil
}

func (b *Builder) batch(jobs []Job) error {
	defer clear(b.drafts[:len(jobs)])
	if err := b.secrets(jobs); err != nil {
		return err
	}
	if err := b.headers(jobs); err != nil {
		return err
	}
	for i := range jobs {
		j, d, c := &jobs[i], &b.drafts[i], &b.covers[i]
		c.payload = nil
		dst := j.Packet
		if dst == nil {
			dst = j.SURB
			if err := putSURBKeys(j, d); err != nil {
				return err
			}
		} else {
			c.payload, c.message, c.layers = j.Packet[payloadOff:], j.Message, len(j.Route)
			for h := range j.Route {
				c.keys[h] = d.keys[h].payloadKey(j.version())
			}
		}
		copy(dst, d.alpha[:])
		copy(dst[alphaSize:], d.mac[:])
		copy(dst[betaOff:], d.beta[:])
	}
	b.wrap(len(jobs))
	return nil
}

// secrets derives the keys of every hop of every job (sphinx.md §3.4.1), hop
// by hop over all jobs.
func (b *Builder) secrets(jobs []Job) error {
	l := &b.lanes
	l.start()
	for i := range jobs {
		b.drafts[i].run.start(&jobs[i].Secret)
		l.scalar[l.add(i)] = jobs[i].Secret
	}
	l.unit.X25519Base(l.n, &l.product, &l.scalar)
	for i := range jobs {
		b.drafts[i].alpha = l.product[i]
	}
	for i := range jobs {
		for h := range jobs[i].Route {
			b.drafts[i].tables[h] = b.Tables.Find(jobs[i].Route[h].Key)
		}
	}
	for h := range MaxHops {
		for _, known := range [...]bool{true, false} {
			l.start()
			for i := range jobs {
				if j, d := &jobs[i], &b.drafts[i]; h < len(j.Route) && (d.tables[h] != nil) == known {
					lane := l.add(i)
					d.run.lift(&l.scalar[lane])
					l.point[lane], l.tables[lane] = j.Route[h].Key, d.tables[h]
				}
			}
			if err := b.hop(jobs, h, known); err != nil {
				return err
			}
		}
	}
	return nil
}

// hop derives the keys of hop h of the jobs in the lanes.
func (b *Builder) hop(jobs []Job, h int, known bool) error {
	l := &b.lanes
	if l.n == 0 {
		return nil
	}
	multiply := l.multiply
	if known {
		multiply = l.multiplyKnown
	}
	if ok := multiply(); ok != 1<<l.n-1 {
		return fmt.Errorf("%w: key of hop %d", ErrLowOrder, h)
	}
	for lane, i := range l.at[:l.n] {
		l.out[lane] = b.drafts[i].keys[h][:]
	}
	l.schedules()
	for lane, i := range l.at[:l.n] {
		l.key[lane] = *b.drafts[i].keys[h].rho()
	}
	l.headerStreams()
	for lane, i := range l.at[:l.n] {
		d := &b.drafts[i]
		copy(d.stream[h][:], l.stream[lane][:])
		if h+1 < len(jobs[i].Route) {
			d.run.by(d.keys[h].blinding())
		}
	}
	return nil
}

// headers leaves β and γ of the first hops in the drafts (sphinx.md §3.8.1). It
// works from the last hop to the first; each step moves what is there 60 bytes
// to the right, and the filler is what falls off, encrypted beforehand.
func (b *Builder) headers(jobs []Job) error {
	for i := range jobs {
		b.drafts[i].last(&jobs[i])
	}
	b.headerMACs(jobs, 1)
	for back := 2; back <= MaxHops; back++ { // hops from the end
		any := false
		for i := range jobs {
			if len(jobs[i].Route) < back {
				continue
			}
			any = true
			if err := b.drafts[i].before(&jobs[i], len(jobs[i].Route)-back); err != nil {
				return err
			}
		}
		if !any {
			break
		}
		b.headerMACs(jobs, back)
	}
	return nil
}

// headerMACs sets the MACs of the drafts for the hops that are so many from the end.
func (b *Builder) headerMACs(jobs []Job, back int) {
	l := &b.lanes
	l.start()
	for i := range jobs {
		if h := len(jobs[i].Route) - back; h >= 0 {
			lane, d := l.add(i), &b.drafts[i]
			l.key[lane], l.in[lane] = *d.keys[h].mu(), d.beta[:]
		}
	}
	l.headerMACs()
	for lane, i := range l.at[:l.n] {
		b.drafts[i].mac = [macSize]byte(l.sum[lane][:])
	}
}

// last sets β for the last hop.
func (d *draft) last(j *Job) {
	n := len(j.Route)
	beta := d.beta[:]
	m := betaSize - hopSize*(n-1)

	filler := beta[m:]
	clear(filler)
	for i := range n - 1 { // at hop i the last 60(i+1) bytes are filler
		f := filler[:hopSize*(i+1)]
		subtle.XORBytes(f, f, d.stream[i][streamSize-len(f):])
	}

	final := beta[:m]
	putMeta(final, flagFinal, j.version())
	copy(final[4:], j.Dest[:])
	copy(final[36:], j.ID[:])
	copy(final[finalMeta:], j.Padding[:])
	subtle.XORBytes(final, final, d.stream[n-1][:])
}

// before makes β for hop h out of that for the hop behind it.
func (d *draft) before(j *Job, h int) error {
	beta := d.beta[:]
	copy(beta[hopSize:], beta[:betaSize-hopSize])
	putMeta(beta, flagForward, j.version())
	if err := j.Route[h+1].Addr.PutPadded(beta[4:36]); err != nil {
		return fmt.Errorf("sphinx: build: hop %d: %w", h+1, err)
	}
	binary.BigEndian.PutUint64(beta[36:], uint64(max(0, j.Route[h].Delay)))
	copy(beta[hopMeta:], d.mac[:])
	subtle.XORBytes(beta, beta, d.stream[h][:])
	return nil
}

func putMeta(b []byte, flag byte, v Version) {
	b[0], b[1] = flag, 0
	binary.BigEndian.PutUint16(b[2:], uint16(v))
}

// A cover is a payload to be made: the message under layers, each of which has a
// key or the seed of one.
type cover struct {
	payload []byte // nil: none
	message []byte
	layers  int
	keys    [MaxHops][]byte
}

// wrap makes the payloads of the first n covers, the smallest first.
func (b *Builder) wrap(n int) {
	length := func(i int) int {
		if b.covers[i].payload == nil {
			return -1
		}
		return len(b.covers[i].payload)
	}
	b.lanes.bySize(n, length, func(members []int) {
		for _, i := range members {
			encapsulate(b.covers[i].payload, b.covers[i].message)
		}
		l := &b.lanes
		for back := 1; back <= MaxHops; back++ { // the last hop's layer is the innermost
			l.start()
			for _, i := range members {
				if c := &b.covers[i]; c.layers >= back {
					l.in[l.add(i)] = c.keys[c.layers-back]
				}
			}
			if l.n == 0 {
				break
			}
			l.payloadKeys()
			l.wide.blocks(l.n, func(lane int) []byte { return b.covers[l.at[lane]].payload })
			l.wide.encrypt(&l.unit, l.n, &l.payload)
			clear(l.payload[:])
		}
	})
	clear(b.covers[:n])
}

// encapsulate lays out a payload: 16 zeros, message, a one, zeros (sphinx.md §3.8.2).
func encapsulate(payload, message []byte) {
	n := copy(payload[zeroPrefix:], message) // before the zeros: message may be anywhere
	clear(payload[:zeroPrefix])
	payload[zeroPrefix+n] = 1
	clear(payload[zeroPrefix+n+1:])
}
