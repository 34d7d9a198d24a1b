package message

import (
	"fmt"

	"nym-socks5/internal/vec8"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/surb"
)

// Opened is what a gateway pushed, decrypted.
type Opened struct {
	// Fragment is for a [fragment.Assembler]. It is nil for cover.
	Fragment []byte
	// UnderReply says that the fragment came under a reply key of ours: for
	// [Parse] (H12).
	UnderReply bool
	// To is the tag for which that key was made: the origin of the fragment (H13).
	To mixnet.SenderTag
}

// An Opening is one thing that a gateway pushed and that is no SURB-ACK,
// that is not of [surb.AckSize] bytes.
type Opening struct {
	Pushed []byte // decrypted in place
	Opened        // set by OpenAll; its Fragment aliases Pushed
	Err    error  // likewise; it wraps ErrMalformed
}

// An Opener opens what gateways push for one client. One goroutine may use it at
// a time.
type Opener struct {
	enc  *keys.EncryptionKey
	unit vec8.Unit

	// Scratch space.
	kdf                   kdf
	at                    [vec8.Lanes]int // of the Opening in each lane
	scalar, point, shared [vec8.Lanes][32]byte
}

// NewOpener makes an Opener of what was sealed for enc.
func NewOpener(enc *keys.EncryptionKey) *Opener { return &Opener{enc: enc} }

// OpenAll opens all, together where that takes less time. Lookup finds a reply
// key that is outstanding, and the tag of ours for which it was made; a key it
// finds is spent. Everything else is taken for a message sealed for the Opener's
// key. A fragment may be garbage: whoever knows our address can send us anything.
func (o *Opener) OpenAll(all []Opening, lookup func(surb.Digest) (keys.Reply, mixnet.SenderTag, bool)) {
	for n := 0; len(all) > 0; all = all[n:] {
		n = min(len(all), vec8.Lanes)
		o.group(all[:n], lookup)
	}
}

func (o *Opener) group(all []Opening, lookup func(surb.Digest) (keys.Reply, mixnet.SenderTag, bool)) {
	n := 0
	for i := range all {
		p := &all[i]
		if len(p.Pushed) < mixnet.KeyPrefixSize {
			p.Err = fmt.Errorf("%w: %d bytes pushed", ErrMalformed, len(p.Pushed))
			continue
		}
		prefix := [mixnet.KeyPrefixSize]byte(p.Pushed)
		if reply, tag, ok := lookup(prefix); ok {
			p.UnderReply, p.To = true, tag
			key := messageKey(reply)
			o.decrypt(p, &key)
			continue
		}
		o.at[n], o.scalar[n], o.point[n] = i, o.enc.Bytes(), prefix
		n++
	}
	if n == 0 {
		return
	}
	ok := o.unit.X25519(n, &o.shared, &o.scalar, &o.point)
	for lane, i := range o.at[:n] {
		p := &all[i]
		if ok>>lane&1 == 0 {
			p.Err = fmt.Errorf("%w: %w", ErrMalformed, keys.ErrLowOrder)
			continue
		}
		key := o.kdf.derive(&o.shared[lane])
		o.decrypt(p, &key)
	}
	clear(o.scalar[:])
	clear(o.shared[:])
}

func (o *Opener) decrypt(p *Opening, key *messageKey) {
	p.Fragment = p.Pushed[mixnet.KeyPrefixSize:]
	o.unit.AESCTR(key, p.Fragment)
	if isCover(p.Fragment) {
		p.Fragment = nil
	}
}

// isCover recognises the content of cover, under a reply key too (sphinx.md §5.10).
func isCover(frag []byte) bool {
	return len(frag) >= len(coverText) && string(frag[:len(coverText)]) == coverText
}
