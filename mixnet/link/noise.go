package link

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/flynn/noise"

	"nym-socks5/mixnet/keys"
)

// ErrHandshake reports a peer that does not complete the Noise handshake.
var ErrHandshake = errors.New("link: handshake refused")

// A Noise message is wrapped (nodes.md §3.3):
//
//	+-------------+-------------+----------+----------------+-----------+------+
//	| version (1) | pattern (1) | type (1) | length (2, BE) | zeros (3) | body |
//	|      1      |      1      |  0 or 1  |                |           |      |
//	+-------------+-------------+----------+----------------+-----------+------+
const (
	noiseHeader    = 8
	noiseVersion   = 1
	noisePattern   = 1 // XKpsk3
	typeHandshake  = 0
	typeData       = 1
	maxNoisePlain  = 65519 // of one data message
	firstNoiseByte = noiseVersion
)

// Sizes of the three handshake messages: e, es; e, ee; s, se, psk.
const (
	handshake1 = 48
	handshake2 = 48
	handshake3 = 64
)

var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)

// presharedKey is public knowledge: it follows from the responder's key.
func presharedKey(responder keys.Noise) []byte {
	h := sha256.New()
	h.Write([]byte("NYMTECH_NOISE_dQw4w9WgXcQ"))
	h.Write(responder[:])
	return h.Sum(nil)
}

// handshakeState prepares one side. peer is the responder's key for the
// initiator, and unused for the responder. rng gives the ephemeral key.
func handshakeState(rng io.Reader, own *keys.NoiseKey, initiator bool, responder keys.Noise) (*noise.HandshakeState, error) {
	priv, pub := own.Bytes(), own.Public()
	c := noise.Config{
		CipherSuite:           suite,
		Random:                rng,
		Pattern:               noise.HandshakeXK,
		Initiator:             initiator,
		PresharedKey:          presharedKey(responder),
		PresharedKeyPlacement: 3,
		StaticKeypair:         noise.DHKey{Private: priv[:], Public: pub[:]},
	}
	if initiator {
		c.PeerStatic = responder[:]
	}
	return noise.NewHandshakeState(c)
}

// initiate does the handshake as the side that dialed. It returns what seals
// our messages and, for tests, what opens the peer's.
func initiate(w io.Writer, r *messageReader, rng io.Reader, own *keys.NoiseKey, peer keys.Noise) (send, recv *noise.CipherState, err error) {
	hs, err := handshakeState(rng, own, true, peer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrHandshake, err)
	}
	if err := writeHandshake(w, hs, nil); err != nil {
		return nil, nil, err
	}
	body, err := r.next(typeHandshake, handshake2)
	if err != nil {
		return nil, nil, err
	}
	if _, _, _, err := hs.ReadMessage(nil, body); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrHandshake, err)
	}
	err = writeHandshake(w, hs, func(a, b *noise.CipherState) { send, recv = a, b })
	return send, recv, err
}

// A responder does the handshake as the side that accepted. Between its two
// steps it waits for the peer.
type responder struct {
	hs *noise.HandshakeState
	m  *messageReader
}

// newResponder reads the first message and answers it, as the first of our keys
// to which it opens.
func newResponder(m *messageReader, w io.Writer, rng io.Reader, own ...*keys.NoiseKey) (*responder, error) {
	body, err := m.next(typeHandshake, handshake1)
	if err != nil {
		return nil, err
	}
	for _, key := range own {
		if key == nil {
			continue
		}
		var hs *noise.HandshakeState
		if hs, err = handshakeState(rng, key, false, key.Public()); err != nil {
			break
		}
		if _, _, _, err = hs.ReadMessage(nil, body); err == nil {
			return &responder{hs, m}, writeHandshake(w, hs, nil)
		}
	}
	return nil, fmt.Errorf("%w: %v", ErrHandshake, err)
}

// finish reads the third message. It returns the initiator's static key, what
// opens its messages and, for tests, what seals ours.
func (r *responder) finish() (peer keys.Noise, recv, send *noise.CipherState, err error) {
	body, err := r.m.next(typeHandshake, handshake3)
	if err != nil {
		return keys.Noise{}, nil, nil, err
	}
	_, recv, send, err = r.hs.ReadMessage(nil, body)
	if err != nil {
		return keys.Noise{}, nil, nil, fmt.Errorf("%w: %v", ErrHandshake, err)
	}
	return keys.Noise(r.hs.PeerStatic()), recv, send, nil
}

// writeHandshake writes our next handshake message; done gets the ciphers if
// it was the last.
func writeHandshake(w io.Writer, hs *noise.HandshakeState, done func(send, recv *noise.CipherState)) error {
	msg, send, recv, err := hs.WriteMessage(make([]byte, noiseHeader), nil)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrHandshake, err)
	}
	if done != nil {
		done(send, recv)
	}
	putNoiseHeader(msg, typeHandshake)
	_, err = w.Write(msg)
	return err
}

// putNoiseHeader fills in the header of a whole message.
func putNoiseHeader(msg []byte, typ byte) {
	clear(msg[:noiseHeader])
	msg[0], msg[1], msg[2] = noiseVersion, noisePattern, typ
	binary.BigEndian.PutUint16(msg[3:], uint16(len(msg)-noiseHeader))
}

// parseNoiseHeader reads a header of 8 bytes, which must have the wanted type,
// and returns the length of the body.
func parseNoiseHeader(h []byte, typ byte) (int, error) {
	if h[0] != noiseVersion || h[1] != noisePattern {
		return 0, fmt.Errorf("%w: noise version %d, pattern %d", ErrHandshake, h[0], h[1])
	}
	if h[2] != typ {
		return 0, fmt.Errorf("%w: noise message of type %d, want %d", ErrHandshake, h[2], typ)
	}
	if h[5]|h[6]|h[7] != 0 {
		return 0, fmt.Errorf("%w: noise header does not end in zeros", ErrHandshake)
	}
	return int(binary.BigEndian.Uint16(h[3:])), nil
}

// A messageReader reads wrapped Noise messages from a connection.
type messageReader struct{ buffer }

func newMessageReader(r io.Reader) *messageReader { return &messageReader{buffer{r: r}} }

// need reads until n bytes are there.
func (m *messageReader) need(n int) error {
	for len(m.bytes()) < n {
		if err := m.fill(n); err != nil {
			return err
		}
	}
	return nil
}

// next reads one message of the given type and, unless size is negative, size.
// The body is valid until the next call.
func (m *messageReader) next(typ byte, size int) ([]byte, error) {
	if err := m.need(noiseHeader); err != nil {
		return nil, err
	}
	n, err := parseNoiseHeader(m.bytes(), typ)
	if err != nil {
		return nil, err
	}
	if size >= 0 && n != size {
		return nil, fmt.Errorf("%w: handshake message of %d bytes, want %d", ErrHandshake, n, size)
	}
	if err := m.need(noiseHeader + n); err != nil {
		return nil, err
	}
	body := m.bytes()[noiseHeader : noiseHeader+n]
	m.skip(noiseHeader + n)
	return body, nil
}

// buffered reports whether a whole message is there without reading.
func (m *messageReader) buffered() bool {
	b := m.bytes()
	return len(b) >= noiseHeader && len(b) >= noiseHeader+int(binary.BigEndian.Uint16(b[3:]))
}

// A noiseReader is the plaintext of a Noise connection as a byte stream.
type noiseReader struct {
	m      *messageReader
	cipher *noise.CipherState
	rest   []byte // opened in place and not yet handed over; part of the reader's buffer
	err    error  // sticky: behind a message that does not open nothing is looked at
}

// Read opens messages straight into p while they fit and need no waiting.
func (r *noiseReader) Read(p []byte) (n int, err error) {
	n = copy(p, r.rest)
	r.rest = r.rest[n:]
	for r.err == nil && n < len(p) && (n == 0 || r.m.buffered()) {
		var k int
		k, r.err = r.open(p[n:])
		n += k
	}
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

// open opens one message into p and keeps what does not fit.
func (r *noiseReader) open(p []byte) (int, error) {
	body, err := r.m.next(typeData, -1)
	if err != nil {
		return 0, err
	}
	to := body[:0]
	if len(body) <= len(p) {
		to = p[:0]
	}
	out, err := r.cipher.Decrypt(to, nil, body)
	if err != nil {
		return 0, fmt.Errorf("link: open noise message: %w", err)
	}
	if len(body) <= len(p) {
		return len(out), nil
	}
	k := copy(p, out)
	r.rest = out[k:]
	return k, nil
}

// A noiseWriter seals a byte stream into messages, one write for each.
type noiseWriter struct {
	w      io.Writer
	cipher *noise.CipherState
	buf    []byte
}

func (w *noiseWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), maxNoisePlain)]
		w.buf = append(w.buf[:0], make([]byte, noiseHeader)...)
		w.buf, err = w.cipher.Encrypt(w.buf, nil, piece)
		if err != nil {
			return n, fmt.Errorf("link: seal noise message: %w", err)
		}
		putNoiseHeader(w.buf, typeData)
		if _, err := w.w.Write(w.buf); err != nil {
			return n, err
		}
		n += len(piece)
		p = p[len(piece):]
	}
	return n, nil
}
