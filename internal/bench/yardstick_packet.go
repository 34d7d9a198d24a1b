package bench

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math/big"
	"time"

	"filippo.io/edwards25519"
	"lukechampine.com/blake3"

	"nym-socks5/mixnet"
)

// Sizes inside a packet of version 259 (sphinx.md §3.1).
const (
	yardBeta   = 300
	yardWide   = 360
	yardHeader = 348
	yardHops   = 4
)

// yardKeys is what a shared secret expands to.
type yardKeys [288]byte

func (k *yardKeys) rho() []byte         { return k[:16] }
func (k *yardKeys) mu() []byte          { return k[16:32] }
func (k *yardKeys) seed() []byte        { return k[32:48] }
func (k *yardKeys) blinding() *[32]byte { return (*[32]byte)(k[224:256]) }

// A yardstick builds and unwraps packets of version 259, byte for byte those
// of package sphinx.
type yardstick struct {
	*yardParts
	keys    [yardHops]yardKeys
	payload [192]byte
	secret  [32]byte
	sum     [32]byte
	wide    [yardWide]byte
	streams [yardHops][yardWide]byte
}

func newYardstick() *yardstick { return &yardstick{yardParts: newYardParts()} }

var errYardstick = errors.New("bench: the yardstick refuses the packet")

// unwrap takes one layer off pkt in place, at a hop that passes it on.
func (y *yardstick) unwrap(key *[32]byte, pkt []byte) (next mixnet.NodeAddr, delay time.Duration, err error) {
	k := &y.keys[0]
	alpha := (*[32]byte)(pkt)
	y.dh(&y.secret, key, alpha)
	y.schedule(k[:], &y.secret)
	y.mac(&y.sum, k.mu(), pkt[48:yardHeader])
	if subtle.ConstantTimeCompare(y.sum[:16], pkt[32:48]) != 1 {
		return next, 0, errYardstick
	}
	copy(y.wide[:], pkt[48:yardHeader])
	clear(y.wide[yardBeta:])
	y.stream(k.rho(), y.wide[:])
	if next, _, err = mixnet.ParseNodeAddr(y.wide[4:36]); err != nil {
		return next, 0, err
	}
	delay = time.Duration(binary.BigEndian.Uint64(y.wide[36:]))
	point := *alpha
	y.dh(alpha, k.blinding(), &point)
	copy(pkt[32:], y.wide[44:])
	y.payloadKey(&y.payload, k.seed())
	y.wideDecrypt(&y.payload, pkt[yardHeader:])
	return next, delay, nil
}

// A yardRoute is where a packet of the yardstick goes.
type yardRoute struct {
	keys   [yardHops][32]byte
	addrs  [yardHops]mixnet.NodeAddr
	delays [yardHops]time.Duration
	dest   [32]byte
}

// build makes a packet out of message; with message nil the header only.
func (y *yardstick) build(pkt []byte, r *yardRoute, secret *[32]byte, padding, message []byte) error {
	var run edwards25519.Scalar
	if _, err := run.SetBytesWithClamping(secret[:]); err != nil {
		return err
	}
	y.base((*[32]byte)(pkt), &run)
	for i := range y.keys {
		var s [32]byte
		yardLift(&s, &run)
		y.dh(&y.secret, &s, &r.keys[i])
		y.schedule(y.keys[i][:], &y.secret)
		if i+1 < yardHops {
			var f edwards25519.Scalar
			if _, err := f.SetBytesWithClamping(y.keys[i].blinding()[:]); err != nil {
				return err
			}
			run.Multiply(&run, &f)
		}
	}
	if err := y.header(pkt, r, padding); err != nil || message == nil {
		return err
	}
	y.lay(pkt, message)
	for i := yardHops - 1; i >= 0; i-- {
		y.payloadKey(&y.payload, y.keys[i].seed())
		y.wideEncrypt(&y.payload, pkt[yardHeader:])
	}
	return nil
}

// seal is what the holder of a SURB does: message under four layers of seeds.
func (y *yardstick) seal(pkt, message []byte, seeds *[yardHops][16]byte) {
	y.lay(pkt, message)
	for i := yardHops - 1; i >= 0; i-- {
		y.payloadKey(&y.payload, seeds[i][:])
		y.wideEncrypt(&y.payload, pkt[yardHeader:])
	}
}

func (y *yardstick) lay(pkt, message []byte) {
	payload := pkt[yardHeader:]
	clear(payload[:16])
	n := 16 + copy(payload[16:], message)
	payload[n] = 1
	clear(payload[n+1:])
}

// header fills in routing information and MAC.
func (y *yardstick) header(pkt []byte, r *yardRoute, padding []byte) error {
	for i := range y.streams {
		clear(y.streams[i][:])
		y.stream(y.keys[i].rho(), y.streams[i][:])
	}
	beta := pkt[48:yardHeader]
	m := yardBeta - 60*(yardHops-1)
	filler := beta[m:]
	clear(filler)
	for i := range yardHops - 1 {
		f := filler[:60*(i+1)]
		subtle.XORBytes(f, f, y.streams[i][yardWide-len(f):])
	}
	last := beta[:m]
	clear(last[:52])
	last[0] = 2
	binary.BigEndian.PutUint16(last[2:], 259)
	copy(last[4:], r.dest[:])
	copy(last[52:], padding)
	subtle.XORBytes(last, last, y.streams[yardHops-1][:])
	y.mac(&y.sum, y.keys[yardHops-1].mu(), beta)
	for i := yardHops - 2; i >= 0; i-- {
		copy(beta[60:], beta[:yardBeta-60])
		beta[0], beta[1] = 1, 0
		binary.BigEndian.PutUint16(beta[2:], 259)
		if err := r.addrs[i+1].PutPadded(beta[4:36]); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(beta[36:], uint64(r.delays[i]))
		copy(beta[44:60], y.sum[:16])
		subtle.XORBytes(beta, beta, y.streams[i][:])
		y.mac(&y.sum, y.keys[i].mu(), beta)
	}
	copy(pkt[32:48], y.sum[:16])
	return nil
}

// yardLift finds a scalar that X25519's clamping leaves alone and that is plus
// or minus t modulo the group order, so that t times a point takes one ladder.
func yardLift(out *[32]byte, t *edwards25519.Scalar) {
	b := t.Bytes()
	k := uint16(3 * (b[0] & 7) & 7)
	var carry uint16
	for i := range out {
		carry += uint16(b[i]) + uint16(yardOrder[i])*k
		out[i] = byte(carry)
		carry >>= 8
	}
	negate := -(1 - out[31]>>6&1)
	var borrow int16
	for i := range out {
		d := int16(yardOrder8[i]) - int16(out[i]) + borrow
		borrow = d >> 8
		out[i] ^= negate & (out[i] ^ byte(d))
	}
}

// yardOrder is the order of the group, little-endian, yardOrder8 eight times it
// without bit 255.
var yardOrder, yardOrder8 = func() (order, order8 [32]byte) {
	l := new(big.Int).Lsh(big.NewInt(1), 252)
	low, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	l.Add(l, low)
	little := func(x *big.Int) (b [32]byte) {
		for i := range b {
			b[i] = byte(new(big.Int).Rsh(x, uint(8*i)).Uint64())
		}
		return b
	}
	return little(l), little(new(big.Int).Lsh(l, 3))
}()

// open is what the recipient does with a fragment that was sealed for its key:
// X25519, HKDF over HMAC-BLAKE3 for 16 bytes, AES-128-CTR.
func (y *yardstick) open(key, ephemeral *[32]byte, frag []byte) {
	y.dh(&y.secret, key, ephemeral)
	var b [64 + 32]byte
	hmac := func(out, key *[32]byte, n int) {
		for i := range 64 {
			b[i] = 0x36
		}
		subtle.XORBytes(b[:], b[:32], key[:])
		inner := blake3.Sum256(b[:64+n])
		for i := range 64 {
			b[i] ^= 0x36 ^ 0x5c
		}
		copy(b[64:], inner[:])
		*out = blake3.Sum256(b[:])
	}
	var salt, prk, okm [32]byte
	copy(b[64:], y.secret[:])
	hmac(&prk, &salt, 32)
	b[64] = 1
	hmac(&okm, &prk, 1)
	y.stream(okm[:16], frag)
}
