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

	ready   bool
	derive  deriver
	wide    lioness
	keys    [BatchSize]schedule
	shared  [32]byte
	mac     [32]byte
	stream  [streamSize]byte
	payload [FullKeySize]byte
}

func (w *Workspace) init() {
	if !w.ready {
		w.derive.init()
		w.wide.init()
		w.ready = true
	}
}

// Open computes the shared secrets of at most 8 packets, checks their header
// MACs and sets their replay tags. Nothing is written to Data. A packet whose
// point has low order costs as much as one whose MAC is wrong (H06).
func (w *Workspace) Open(batch []Packet) {
	w.init()
	for i := range batch {
		w.open(&batch[i], &w.keys[i])
	}
}

func (w *Workspace) open(p *Packet, k *schedule) {
	p.Err = nil
	if len(p.Data) < HeaderSize+minPayload {
		p.Err = ErrMalformed
		return
	}
	p.Err = ErrMAC
	alpha := (*[alphaSize]byte)(p.Data)
	for i, sk := range p.Keys {
		if sk == nil {
			continue
		}
		nonzero := multiply(&w.shared, sk.Bytes(), alpha)
		w.derive.schedule(k, &w.shared)
		w.derive.mac(&w.mac, k.mu(), p.Data[betaOff:HeaderSize])
		good := subtle.ConstantTimeCompare(w.mac[:macSize], p.Data[alphaSize:betaOff])
		if nonzero == 0 {
			p.Err = ErrLowOrder
			return
		}
		if good == 1 {
			p.Err, p.Key, p.Tag = nil, i, *k.tag()
			return
		}
	}
}

// Strip takes the layer off the packets of the Open before it, which must be
// the same, in the same order.
func (w *Workspace) Strip(batch []Packet) {
	for i := range batch {
		if p := &batch[i]; p.Err == nil {
			p.Err = w.strip(p, &w.keys[i])
		}
	}
}

func (w *Workspace) strip(p *Packet, k *schedule) error {
	copy(w.stream[:], p.Data[betaOff:HeaderSize])
	clear(w.stream[betaSize:])
	keystream(w.stream[:], k.rho())
	block := w.stream[:]

	p.Version = Version(binary.BigEndian.Uint16(block[2:])) // block[1] is ignored, sphinx.md §3.3
	if p.Version.legacy() && !w.AllowLegacy {
		return ErrVersion
	}
	switch block[0] {
	case flagForward:
		return w.forward(p, k, block)
	case flagFinal:
		return w.final(p, k, block)
	}
	return ErrMalformed
}

func (w *Workspace) forward(p *Packet, k *schedule, block []byte) (err error) {
	p.Final = false
	if p.Next, _, err = mixnet.ParseNodeAddr(block[4:36]); err != nil {
		return ErrMalformed
	}
	p.Delay = time.Duration(min(binary.BigEndian.Uint64(block[36:]), math.MaxInt64))
	alpha := (*[alphaSize]byte)(p.Data)
	if p.Version.legacy() {
		if err := legacyBlind(alpha, k.blinding()); err != nil {
			return err
		}
	} else {
		point := *alpha
		if multiply(alpha, k.blinding(), &point) == 0 {
			return ErrLowOrder
		}
	}
	copy(p.Data[alphaSize:], block[hopMeta:]) // γ and β of the next hop
	w.wide.decrypt(w.payloadKey(p.Version, k), p.Data[payloadOff:])
	return nil
}

func (w *Workspace) final(p *Packet, k *schedule, block []byte) error {
	p.Final = true
	p.Dest = keys.Identity(block[4:36])
	p.ID = [16]byte(block[36:52])
	payload := p.Data[payloadOff:]
	w.wide.decrypt(w.payloadKey(p.Version, k), payload)
	m, err := recoverMessage(payload)
	p.Message = m
	return err
}

// payloadKey is the key of this hop's Lioness layer, valid until the next call.
func (w *Workspace) payloadKey(v Version, k *schedule) *[FullKeySize]byte {
	if v.fullKeys() {
		return k.full()
	}
	w.derive.payloadKey(&w.payload, k.seed())
	return &w.payload
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
