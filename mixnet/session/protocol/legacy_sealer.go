package protocol

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"lukechampine.com/blake3"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/wire"
)

const (
	// ivSize is the size of an IV of AES-128-CTR in bytes.
	ivSize = aes.BlockSize
	// macSize is the size of a MAC of HMAC-BLAKE3 in bytes.
	macSize = 32
)

// A LegacySealer seals and opens the binary frames and sealed texts of one
// legacy key at the gateway's end (nodes.md §1.7). As with [Sealer] there must
// be one per key, kept across connections. It is safe for concurrent use.
//
//	+----------+-------------------+
//	| MAC (32) | CTR(Kenc, IV) (n) |   frames: IV zero; texts: an IV beside it
//	+----------+-------------------+
//
// The envelope has neither nonce nor direction: all frames of a key, both ways,
// share one key stream, so that whoever knows the plaintext of one can read as
// much of every other. It is opened for those who know nothing better, behind a
// switch. What can be refused is refused: a frame whose MAC is among the last
// 65 536, and one of our own that comes back (H21).
type LegacySealer struct {
	key    *keys.LegacySession
	cipher legacyCipher

	mu     sync.Mutex // guards the following, which hold the first bytes of MACs
	opened nonceSet
	sent   nonceSet
}

// NewLegacySealer makes the LegacySealer of a key, which it copies.
func NewLegacySealer(key *keys.LegacySession) *LegacySealer {
	own := keys.LegacySessionFromBytes(*key.Bytes())
	return &LegacySealer{key: own, cipher: newLegacyCipher(own)}
}

// Overhead is how much longer a frame is than the message pushed in it, in bytes.
func (s *LegacySealer) Overhead() int { return macSize }

// AppendPush appends the frame in which a message is pushed.
func (s *LegacySealer) AppendPush(b, message []byte) []byte {
	return s.seal(b, message, new([ivSize]byte))
}

// OpenForward opens a client's frame, in place. The packet aliases b. It fails
// with ErrReplayed or an error that wraps ErrMalformed.
func (s *LegacySealer) OpenForward(b []byte) (wire.MixPacket, error) {
	plaintext, err := s.open(b, new([ivSize]byte))
	if err != nil {
		return wire.MixPacket{}, err
	}
	p, err := wire.ParseMixPacket(plaintext, false)
	if err != nil {
		return wire.MixPacket{}, fmt.Errorf("%w: frame: %w", ErrMalformed, err)
	}
	return p, nil
}

// SealText seals what stands in an encryptedResponse.
func (s *LegacySealer) SealText(plaintext []byte) (ciphertext, nonce Octets) {
	var iv [ivSize]byte
	rand.Read(iv[:])
	return s.seal(nil, plaintext, &iv), iv[:]
}

// OpenText opens what stands in an encryptedRequest.
func (s *LegacySealer) OpenText(ciphertext, nonce Octets) ([]byte, error) {
	if len(nonce) != ivSize {
		return nil, fmt.Errorf("%w: nonce of %d bytes", ErrMalformed, len(nonce))
	}
	return s.open(append([]byte(nil), ciphertext...), (*[ivSize]byte)(nonce))
}

// seal appends a plaintext in its envelope, which is not accepted back.
func (s *LegacySealer) seal(b, plaintext []byte, iv *[ivSize]byte) []byte {
	start := len(b)
	b = append(b, make([]byte, macSize)...)
	b = append(b, plaintext...)
	mac, text := b[start:start+macSize], b[start+macSize:]
	s.cipher.crypt(text, text, iv)
	s.cipher.sum(mac[:0], text)
	s.mu.Lock()
	s.sent.add((*[NonceSize]byte)(mac))
	s.mu.Unlock()
	return b
}

// open opens an envelope in place.
func (s *LegacySealer) open(b []byte, iv *[ivSize]byte) ([]byte, error) {
	if len(b) < macSize {
		return nil, fmt.Errorf("%w: frame of %d bytes", ErrMalformed, len(b))
	}
	mac, text := b[:macSize], b[macSize:]
	if !hmac.Equal(mac, s.cipher.sum(nil, text)) {
		return nil, fmt.Errorf("%w: frame: wrong MAC", ErrMalformed)
	}
	if !s.fresh((*[NonceSize]byte)(mac)) {
		return nil, ErrReplayed
	}
	s.cipher.crypt(text, text, iv)
	return text, nil
}

// fresh notes the beginning of a MAC that was right. It reports false for one
// seen before, and for our own.
func (s *LegacySealer) fresh(mac *[NonceSize]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.sent.has(mac) && s.opened.add(mac)
}

// proof is the identity encrypted under the key: what authenticate shows.
func (s *LegacySealer) proof(id keys.Identity, iv *[ivSize]byte) []byte {
	s.cipher.crypt(id[:], id[:], iv)
	return id[:]
}

// A legacyCipher is the two algorithms of a legacy key.
type legacyCipher struct {
	block cipher.Block
	mac   []byte
}

func newLegacyCipher(key *keys.LegacySession) legacyCipher {
	block, err := aes.NewCipher(key.Cipher())
	if err != nil {
		panic("session: " + err.Error()) // 16 bytes are always a key
	}
	return legacyCipher{block, key.MAC()}
}

// crypt encrypts and decrypts. Of the counter only the last 64 bits count
// (nodes.md §1.4.2): where they wrap, the first ones stay.
func (c legacyCipher) crypt(dst, src []byte, iv *[ivSize]byte) {
	counter := *iv
	low := binary.BigEndian.Uint64(counter[8:])
	if left := -low; left != 0 && left < uint64(len(src)/aes.BlockSize+1) { // blocks before it wraps
		n := min(int(left)*aes.BlockSize, len(src))
		cipher.NewCTR(c.block, counter[:]).XORKeyStream(dst[:n], src[:n])
		dst, src = dst[n:], src[n:]
		clear(counter[8:])
	}
	cipher.NewCTR(c.block, counter[:]).XORKeyStream(dst, src)
}

// sum appends the MAC of a ciphertext.
func (c legacyCipher) sum(b, text []byte) []byte {
	h := hmac.New(func() hash.Hash { return blake3.New(macSize, nil) }, c.mac)
	h.Write(text)
	return h.Sum(b)
}

// Memory is about how many bytes it takes, most of them for what it remembers.
func (s *LegacySealer) Memory() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sealerMemory + s.opened.memory() + s.sent.memory()
}
