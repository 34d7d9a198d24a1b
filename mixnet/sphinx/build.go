package sphinx

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"

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
	// payload. It may lie in the Packet of an earlier job of the same call, as
	// a SURB-ACK lies in front of the message that it is the receipt for.
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
	ready   bool
	derive  deriver
	wide    lioness
	lanes   [BatchSize]lane
	payload [FullKeySize]byte
}

// A lane is what a Builder knows of one job.
type lane struct {
	keys   [MaxHops]schedule
	stream [MaxHops][streamSize]byte
	run    blinded
	alpha  [alphaSize]byte
	mac    [32]byte
	beta   [betaSize]byte
}

func (b *Builder) init() {
	if !b.ready {
		b.derive.init()
		b.wide.init()
		b.ready = true
	}
}

// Build does all jobs, in order, or none if one of them is wrong.
func (b *Builder) Build(jobs []Job) error {
	for i := range jobs {
		if err := jobs[i].check(); err != nil {
			return err
		}
	}
	b.init()
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
	if err := b.secrets(jobs); err != nil {
		return err
	}
	for i := range jobs {
		j, l := &jobs[i], &b.lanes[i]
		if err := b.header(j, l); err != nil {
			return err
		}
		dst := j.Packet
		if dst == nil {
			dst = j.SURB
		}
		copy(dst, l.alpha[:])
		copy(dst[alphaSize:], l.mac[:macSize])
		copy(dst[betaOff:], l.beta[:])
	}
	for i := range jobs {
		j, l := &jobs[i], &b.lanes[i]
		if j.Packet == nil {
			if err := putSURBKeys(j, l); err != nil {
				return err
			}
			continue
		}
		payload := j.Packet[payloadOff:]
		encapsulate(payload, j.Message)
		for h := len(j.Route) - 1; h >= 0; h-- {
			b.wide.encrypt(b.payloadKey(j.version(), &l.keys[h]), payload)
		}
	}
	return nil
}

// secrets derives the keys of every hop of every job (sphinx.md §3.4.1), hop
// by hop over all jobs.
func (b *Builder) secrets(jobs []Job) error {
	for i := range jobs {
		l := &b.lanes[i]
		l.run.start(&l.alpha, &jobs[i].Secret)
	}
	for h := range MaxHops {
		for i := range jobs {
			j, l := &jobs[i], &b.lanes[i]
			if h >= len(j.Route) {
				continue
			}
			var scalar, shared [32]byte
			l.run.lift(&scalar)
			key := [32]byte(j.Route[h].Key)
			if multiply(&shared, &scalar, &key) == 0 {
				return fmt.Errorf("%w: key of hop %d", ErrLowOrder, h)
			}
			k := &l.keys[h]
			b.derive.schedule(k, &shared)
			clear(l.stream[h][:])
			keystream(l.stream[h][:], k.rho())
			if h+1 < len(j.Route) {
				l.run.by(k.blinding())
			}
		}
	}
	return nil
}

// header leaves β and γ of the first hop in l (sphinx.md §3.8.1). It works
// from the last hop to the first; each step moves what is there 60 bytes to
// the right, and the filler is what falls off, encrypted beforehand.
func (b *Builder) header(j *Job, l *lane) error {
	n := len(j.Route)
	beta := l.beta[:]
	m := betaSize - hopSize*(n-1)

	filler := beta[m:]
	clear(filler)
	for i := range n - 1 { // at hop i the last 60(i+1) bytes are filler
		f := filler[:hopSize*(i+1)]
		subtle.XORBytes(f, f, l.stream[i][streamSize-len(f):])
	}

	final := beta[:m]
	putMeta(final, flagFinal, j.version())
	copy(final[4:], j.Dest[:])
	copy(final[36:], j.ID[:])
	copy(final[finalMeta:], j.Padding[:])
	subtle.XORBytes(final, final, l.stream[n-1][:])
	b.derive.mac(&l.mac, l.keys[n-1].mu(), beta)

	for i := n - 2; i >= 0; i-- {
		copy(beta[hopSize:], beta[:betaSize-hopSize])
		putMeta(beta, flagForward, j.version())
		if err := j.Route[i+1].Addr.PutPadded(beta[4:36]); err != nil {
			return fmt.Errorf("sphinx: build: hop %d: %w", i+1, err)
		}
		binary.BigEndian.PutUint64(beta[36:], uint64(max(0, j.Route[i].Delay)))
		copy(beta[hopMeta:], l.mac[:macSize])
		subtle.XORBytes(beta, beta, l.stream[i][:])
		b.derive.mac(&l.mac, l.keys[i].mu(), beta)
	}
	return nil
}

func putMeta(b []byte, flag byte, v Version) {
	b[0], b[1] = flag, 0
	binary.BigEndian.PutUint16(b[2:], uint16(v))
}

// payloadKey is the key of the Lioness layer for one hop. The result is valid
// until the next call.
func (b *Builder) payloadKey(v Version, k *schedule) *[FullKeySize]byte {
	if v.fullKeys() {
		return k.full()
	}
	b.derive.payloadKey(&b.payload, k.seed())
	return &b.payload
}

// encapsulate lays out a payload: 16 zeros, message, a one, zeros (sphinx.md §3.8.2).
func encapsulate(payload, message []byte) {
	n := copy(payload[zeroPrefix:], message) // before the zeros: message may be anywhere
	clear(payload[:zeroPrefix])
	payload[zeroPrefix+n] = 1
	clear(payload[zeroPrefix+n+1:])
}
