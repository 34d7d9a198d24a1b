package surb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/fragment"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// AckSize is the size in bytes of what a SURB-ACK brings home.
const AckSize = mixnet.AckPlaintext // 21

const (
	ivSize    = aes.BlockSize
	nonceSize = 8 // of the IV; the rest is the MAC (H11)
)

// macLabel sets the MAC key apart from everything else made of the ack key.
const macLabel = "nym-socks5 ack mac"

// Acks seals and opens the SURB-ACKs of one client. One goroutine may use it at
// a time.
//
// The format leaves 16 random bytes as the IV of 5 encrypted ones, which
// protects nothing against being changed. Since nobody but their author ever
// reads them, half of the IV is a MAC here; it looks as random as the rest.
type Acks struct {
	block cipher.Block
	mac   hash.Hash

	// Scratch space, so that nothing is allocated per packet.
	buf   [sha256.Size]byte
	iv    [ivSize]byte
	drawn [nonceSize + 32 + sphinx.MaxPadding]byte
}

// NewAcks makes an Acks of the client's ack key.
func NewAcks(k *keys.Ack) *Acks {
	block, err := aes.NewCipher(k.Bytes()[:])
	if err != nil {
		panic("surb: " + err.Error()) // only for a wrong length
	}
	macKey, err := hkdf.Key(sha256.New, k.Bytes()[:], nil, macLabel, sha256.Size)
	if err != nil {
		panic("surb: " + err.Error()) // only for a wrong length
	}
	return &Acks{block: block, mac: hmac.New(sha256.New, macKey)}
}

// Prepare makes job the building of the SURB-ACK for fragment id, which goes in
// front of the message: first hop and packet, [mixnet.AckPrefixSize] bytes. The
// job's Version, Route and Dest, our own identity, are already set. Prefix is
// complete once the job is built.
func (a *Acks) Prepare(job *sphinx.Job, id fragment.ID, prefix []byte) error {
	rand.Read(a.drawn[:])
	rest := a.drawn[copy(a.iv[:nonceSize], a.drawn[:]):]
	copy(job.Padding[:], rest[copy(job.Secret[:], rest):])
	a.sum(a.iv[nonceSize:], a.iv[:nonceSize], id)
	return a.prepare(job, id, prefix, &a.iv)
}

func (a *Acks) prepare(job *sphinx.Job, id fragment.ID, prefix []byte, iv *[ivSize]byte) error {
	if len(prefix) != mixnet.AckPrefixSize || len(job.Route) == 0 {
		return fmt.Errorf("surb: ack over %d hops in %d bytes, want %d", len(job.Route), len(prefix), mixnet.AckPrefixSize)
	}
	if err := job.Route[0].Addr.PutPadded(prefix[:mixnet.AckAddrPadded]); err != nil {
		return fmt.Errorf("surb: first hop of an ack: %w", err)
	}
	job.Packet = prefix[mixnet.AckAddrPadded:]
	job.Message = job.Packet[len(job.Packet)-AckSize-1:][:AckSize] // where it is needed: nothing to allocate
	a.seal(job.Message, iv, id)
	return nil
}

// seal writes the content of a SURB-ACK.
func (a *Acks) seal(dst []byte, iv *[ivSize]byte, id fragment.ID) {
	b := encode(id)
	a.block.Encrypt(a.buf[:ivSize], iv[:])
	copy(dst, iv[:])
	subtle.XORBytes(dst[ivSize:AckSize], b[:], a.buf[:fragment.IDSize])
}

// sum writes the MAC of a SURB-ACK.
func (a *Acks) sum(dst, nonce []byte, id fragment.ID) {
	b := encode(id)
	n := copy(a.buf[:], nonce)
	n += copy(a.buf[n:], b[:])
	a.mac.Reset()
	a.mac.Write(a.buf[:n])
	copy(dst, a.mac.Sum(a.buf[:0]))
}

func encode(id fragment.ID) (b [fragment.IDSize]byte) {
	id.AppendBinary(b[:0])
	return b
}

// Open opens the content of a SURB-ACK that came back. It refuses what we did not seal ourselves, among it SURB-ACKs that
// the reference sealed under the same key. Its errors wrap [ErrMalformed].
func (a *Acks) Open(content []byte) (fragment.ID, error) {
	id, err := a.open(content)
	if err != nil {
		return fragment.ID{}, err
	}
	var want [ivSize - nonceSize]byte
	a.sum(want[:], content[:nonceSize], id)
	if subtle.ConstantTimeCompare(want[:], content[nonceSize:ivSize]) == 0 {
		return fragment.ID{}, fmt.Errorf("%w: ack with a wrong MAC", ErrMalformed)
	}
	return id, nil
}

// open decrypts, whoever sealed.
func (a *Acks) open(content []byte) (fragment.ID, error) {
	if len(content) != AckSize {
		return fragment.ID{}, fmt.Errorf("%w: ack of %d bytes, want %d", ErrMalformed, len(content), AckSize)
	}
	var b [fragment.IDSize]byte
	a.block.Encrypt(a.buf[:ivSize], content[:ivSize])
	subtle.XORBytes(b[:], content[ivSize:], a.buf[:fragment.IDSize])
	id, err := fragment.ParseID(b[:])
	if err != nil {
		return fragment.ID{}, fmt.Errorf("%w: ack: %w", ErrMalformed, err)
	}
	return id, nil
}

// ParseAck takes apart what stands in front of a message at the exit: where the
// SURB-ACK's packet goes, and the packet, which aliases prefix. Its errors wrap
// [ErrMalformed]; the whole message is dropped then (sphinx.md §4.8).
func ParseAck(prefix []byte) (first mixnet.NodeAddr, packet []byte, err error) {
	if len(prefix) != mixnet.AckPrefixSize {
		return mixnet.NodeAddr{}, nil, fmt.Errorf("%w: ack in %d bytes, want %d", ErrMalformed, len(prefix), mixnet.AckPrefixSize)
	}
	first, _, err = mixnet.ParseNodeAddr(prefix[:mixnet.AckAddrPadded])
	if err != nil {
		return mixnet.NodeAddr{}, nil, fmt.Errorf("%w: first hop of an ack: %w", ErrMalformed, err)
	}
	return first, prefix[mixnet.AckAddrPadded:], nil
}
