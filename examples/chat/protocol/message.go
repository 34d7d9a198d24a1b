package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"nym-socks5/mixnet"
)

// Sizes in bytes.
const (
	HeadSize    = 4 + 1 + ed25519.PublicKeySize + IDSize + 8 // magic, kind, from, id, time
	MaxSize     = 64 << 10                                   // of a whole message
	MaxText     = 16 << 10                                   // of a text
	MaxName     = 64                                         // of a person's name
	MaxFileName = 255
	MaxFile     = 1 << 30
	ChunkSize   = 32 << 10 // of each chunk of a file but the last
	MaxReceipts = 64       // ids in one receipt
	IDSize      = 16
)

// ErrMalformed reports bytes that are no message, or a text that is no card.
var ErrMalformed = errors.New("chat: malformed")

// magic begins each message; its last byte is the version.
var magic = [4]byte{'n', 'y', 'c', 1}

// signContext begins what a signature is over, so that it is good for nothing else.
const signContext = "nym-chat 1\n"

// A Key is a person: an Ed25519 public key.
type Key [ed25519.PublicKeySize]byte

// String gives the key in hex.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MarshalText gives the key in hex.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText parses the hex form.
func (k *Key) UnmarshalText(b []byte) error { return unhex(k[:], b) }

// An ID names a message. It is drawn at random by the sender: who can quote the id
// of a message has read it.
type ID [IDSize]byte

// NewID draws one.
func NewID() (id ID) {
	rand.Read(id[:])
	return id
}

// String gives the id in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText gives the id in hex.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses the hex form.
func (id *ID) UnmarshalText(b []byte) error { return unhex(id[:], b) }

func unhex(to, b []byte) error {
	if len(b) != 2*len(to) {
		return fmt.Errorf("%w: %d letters, want %d hex digits", ErrMalformed, len(b), 2*len(to))
	}
	if _, err := hex.Decode(to, b); err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return nil
}

// A Target is whom a message is for. It is signed and not sent, so that nobody can
// pass a message of somebody else on as if it had been for a third person.
type Target [sha256.Size]byte

// ToKey is the target of all messages but a Hello: the key of the recipient.
func ToKey(k Key) Target { return Target(k) }

// ToAddress is the target of a Hello, whose sender knows no key yet: SHA-256 of the
// text of the address.
func ToAddress(a mixnet.Recipient) Target { return sha256.Sum256([]byte(a.String())) }

// A Kind says what the body of a message is.
type Kind uint8

// The kinds of messages.
const (
	KindHello    Kind = 1
	KindAccept   Kind = 2
	KindCard     Kind = 3
	KindText     Kind = 4
	KindReceived Kind = 5
	KindFile     Kind = 6
	KindChunk    Kind = 7
	KindHave     Kind = 8
	KindEnd      Kind = 9
)

// A Message is what one person tells another.
//
//	+-----------+----------+-----------+---------+-----------------+------+----------------+
//	| "nyc" 1   | kind (1) | from (32) | id (16) | time, ms (8 BE) | body | signature (64) |
//	+-----------+----------+-----------+---------+-----------------+------+----------------+
type Message struct {
	From Key
	ID   ID
	// Time is when the message was written by the sender's clock, in milliseconds.
	Time time.Time
	Body Body
}

// A Body is a Hello, Accept, Card, Text, Received, File, Chunk, Have or End.
type Body interface {
	Kind() Kind
	append(b []byte) []byte
	check() error
}

// lastTime is the end of the year 9999: what a Date of JavaScript can show too.
const lastTime = 253402300799999

// Seal signs a message for a target and gives its bytes. From is filled in.
func Seal(key ed25519.PrivateKey, to Target, m Message) ([]byte, error) {
	if err := m.Body.check(); err != nil {
		return nil, err
	}
	ms := m.Time.UnixMilli()
	if ms < 0 || ms > lastTime {
		return nil, fmt.Errorf("%w: time %v", ErrMalformed, m.Time)
	}
	b := make([]byte, 0, 256)
	b = append(append(b, magic[:]...), byte(m.Body.Kind()))
	b = append(append(b, key.Public().(ed25519.PublicKey)...), m.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(ms))
	b = m.Body.append(b)
	return append(b, ed25519.Sign(key, signed(to, b))...), nil
}

func signed(to Target, b []byte) []byte {
	return append(append([]byte(signContext), to[:]...), b...)
}

// A Sealed is a message that was parsed, and whose signature has not been looked at.
type Sealed struct {
	Message
	bytes []byte
}

// Parse parses exactly one message. Whether it is from whom it says, Verify knows.
// Its errors wrap [ErrMalformed]. It keeps nothing of b.
func Parse(b []byte) (Sealed, error) {
	if len(b) < HeadSize+ed25519.SignatureSize || len(b) > MaxSize {
		return Sealed{}, fmt.Errorf("%w: message of %d bytes", ErrMalformed, len(b))
	}
	if !bytes.Equal(b[:3], magic[:3]) {
		return Sealed{}, fmt.Errorf("%w: no message of a chat", ErrMalformed)
	}
	if b[3] != magic[3] {
		return Sealed{}, fmt.Errorf("%w: version %d, want %d", ErrMalformed, b[3], magic[3])
	}
	b = bytes.Clone(b)
	m := Message{From: Key(b[5:37]), ID: ID(b[37:53])}
	ms := binary.BigEndian.Uint64(b[53:])
	if ms > lastTime {
		return Sealed{}, fmt.Errorf("%w: time %d", ErrMalformed, ms)
	}
	m.Time = time.UnixMilli(int64(ms))
	var err error
	if m.Body, err = ParseBody(Kind(b[4]), b[HeadSize:len(b)-ed25519.SignatureSize]); err != nil {
		return Sealed{}, err
	}
	if err := m.Body.check(); err != nil {
		return Sealed{}, err
	}
	return Sealed{m, b}, nil
}

// Verify reports whether who has the key From signed this message for the target.
func (s Sealed) Verify(to Target) bool {
	n := len(s.bytes) - ed25519.SignatureSize
	return n > 0 && ed25519.Verify(s.From[:], signed(to, s.bytes[:n]), s.bytes[n:])
}
