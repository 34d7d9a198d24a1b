package sphinx

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"math"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
)

// A Packet is one packet on its way through [Workspace.Open] and
// [Workspace.Strip]. Its Data is worked on in place.
type Packet struct {
	Data []byte             // the whole packet
	Keys [2]*keys.SphinxKey // tried in order; nil ones are not

	// Err is set by Open and Strip. A caller may set it in between, to say
	// that the packet was seen before; Strip leaves such packets alone.
	Err error
	Tag [TagSize]byte // set by Open: what the node remembers of the packet
	Key int           // set by Open: which of Keys it was built under

	// The rest is set by Strip.
	Version Version
	Final   bool
	Next    mixnet.NodeAddr // forward: where Data, now the next packet, goes
	Delay   time.Duration   // forward: how long it waits here, as asked for
	Dest    keys.Identity   // final: the client
	ID      [16]byte        // final: ignored by Nym
	Message []byte          // final: the payload's plaintext, part of Data
}

// A Workspace holds the scratch space for unwrapping. The zero Workspace is
// ready; one goroutine may use it at a time.
type Workspace struct {
	// AllowLegacy lets packets of versions 1, 256 and 257 pass (H07).
	AllowLegacy bool

	lanes lanes
	keys  [BatchSize]schedule         // of the packets that Open let pass
	block [BatchSize][streamSize]byte // their routing information
}

// Open computes the shared secrets of at most 8 packets, checks their header
// MACs and sets their replay tags. Nothing is written to Data. A packet whose
// point has low order costs as much as one whose MAC is wrong (H06).
func (w *Workspace) Open(batch []Packet) {
	var tried [BatchSize]int // of the packet's keys
	for i := range batch {
		batch[i].Err = ErrMAC
		if len(batch[i].Data) < HeaderSize+minPayload {
			batch[i].Err = ErrMalformed
		}
	}
	for range len(batch[0].Keys) {
		l := &w.lanes
		l.start()
		for i := range batch {
			p := &batch[i]
			for p.Err == ErrMAC && tried[i] < len(p.Keys) {
				key := p.Keys[tried[i]]
				tried[i]++
				if key == nil {
					continue
				}
				p.Key = tried[i] - 1
				lane := l.add(i)
				l.scalar[lane] = *key.Bytes()
				l.point[lane] = [alphaSize]byte(p.Data)
				break
			}
		}
		if l.n == 0 {
			return
		}
		w.try(batch)
	}
}

// try opens the packets in the lanes with one key each.
func (w *Workspace) try(batch []Packet) {
	l := &w.lanes
	ok := l.multiply()
	for lane, i := range l.at[:l.n] {
		l.out[lane] = w.keys[i][:]
	}
	l.schedules()
	for lane, i := range l.at[:l.n] {
		l.key[lane] = *w.keys[i].mu()
		l.in[lane] = batch[i].Data[betaOff:HeaderSize]
	}
	l.headerMACs()
	for lane, i := range l.at[:l.n] {
		p := &batch[i]
		good := subtle.ConstantTimeCompare(l.sum[lane][:macSize], p.Data[alphaSize:betaOff])
		switch {
		case ok>>lane&1 == 0:
			p.Err = ErrLowOrder
		case good == 1:
			p.Err, p.Tag = nil, *w.keys[i].tag()
		}
	}
}

// Strip takes the layer off the packets of the Open before it, which must be
// the same, in the same order.
//
//	routing information of all ─▶ points of all ─▶ payload keys of all ─▶ payloads of all
func (w *Workspace) Strip(batch []Packet) {
	w.routes(batch)
	w.points(batch)
	w.payloads(batch)
	clear(w.keys[:len(batch)])
}

// routes decrypts and reads the routing information.
func (w *Workspace) routes(batch []Packet) {
	l := &w.lanes
	l.start()
	for i := range batch {
		if batch[i].Err == nil {
			l.key[l.add(i)] = *w.keys[i].rho()
		}
	}
	if l.n == 0 {
		return
	}
	l.headerStreams()
	for lane, i := range l.at[:l.n] {
		p, block := &batch[i], w.block[i][:]
		n := subtle.XORBytes(block, p.Data[betaOff:HeaderSize], l.stream[lane][:])
		copy(block[n:], l.stream[lane][n:])
		p.Err = w.route(p, block)
	}
}

func (w *Workspace) route(p *Packet, block []byte) error {
	p.Version = Version(binary.BigEndian.Uint16(block[2:])) // block[1] is ignored, sphinx.md §3.3
	if p.Version.legacy() && !w.AllowLegacy {
		return ErrVersion
	}
	switch block[0] {
	case flagForward:
		p.Final = false
		next, _, err := mixnet.ParseNodeAddr(block[4:36])
		if err != nil {
			return ErrMalformed
		}
		p.Next = next
		p.Delay = time.Duration(min(binary.BigEndian.Uint64(block[36:]), math.MaxInt64))
		return nil
	case flagFinal:
		p.Final = true
		p.Dest = keys.Identity(block[4:36])
		p.ID = [16]byte(block[36:52])
		return nil
	}
	return ErrMalformed
}

// points writes the headers of the next packets.
func (w *Workspace) points(batch []Packet) {
	l := &w.lanes
	l.start()
	for i := range batch {
		p := &batch[i]
		if p.Err != nil || p.Final {
			continue // a packet that was refused may be shorter than a point
		}
		switch alpha := (*[alphaSize]byte)(p.Data); {
		case p.Version.legacy():
			if p.Err = legacyBlind(alpha, w.keys[i].blinding()); p.Err == nil {
				copy(p.Data[alphaSize:], w.block[i][hopMeta:])
			}
		default:
			lane := l.add(i)
			l.scalar[lane], l.point[lane] = *w.keys[i].blinding(), *alpha
		}
	}
	if l.n == 0 {
		return
	}
	ok := l.multiply()
	for lane, i := range l.at[:l.n] {
		p := &batch[i]
		if ok>>lane&1 == 0 {
			p.Err = ErrLowOrder
			continue
		}
		copy(p.Data, l.product[lane][:])
		copy(p.Data[alphaSize:], w.block[i][hopMeta:]) // γ and β of the next hop
	}
}

// payloads takes their layer off the payloads, and finds the messages.
func (w *Workspace) payloads(batch []Packet) {
	length := func(i int) int {
		if batch[i].Err != nil {
			return -1
		}
		return len(batch[i].Data)
	}
	w.lanes.bySize(len(batch), length, func(members []int) {
		l := &w.lanes
		l.start()
		for _, i := range members {
			l.in[l.add(i)] = w.keys[i].payloadKey(batch[i].Version)
		}
		l.payloadKeys()
		l.wide.blocks(l.n, func(lane int) []byte { return batch[l.at[lane]].Data[payloadOff:] })
		l.wide.decrypt(&l.unit, l.n, &l.payload)
		clear(l.payload[:])
	})
	for i := range batch {
		if p := &batch[i]; p.Err == nil && p.Final {
			p.Message, p.Err = recoverMessage(p.Data[payloadOff:])
		}
	}
}

// recoverMessage finds the message in a payload without layers: behind 16
// zeros, before the last byte that is one (sphinx.md §3.8.4).
func recoverMessage(payload []byte) ([]byte, error) {
	var zero [zeroPrefix]byte
	if len(payload) < PayloadOverhead || subtle.ConstantTimeCompare(payload[:zeroPrefix], zero[:]) != 1 {
		return nil, ErrPayload
	}
	t := payload[zeroPrefix:]
	end := bytes.LastIndexByte(t, 1)
	if end < 0 {
		return nil, ErrPayload
	}
	return t[:end:end], nil
}
