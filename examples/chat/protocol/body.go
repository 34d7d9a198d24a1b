package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"nym-socks5/mixnet"
)

// A Card is a person's address and name, and as a body the news that one of them
// has changed.
//
//	address, as text | "\n" | name
type Card struct {
	Address mixnet.Recipient
	Name    string // 1 to MaxName bytes, see CheckName
}

// A Hello asks a stranger to become a contact.
type Hello struct{ Card }

// An Accept is the answer to a Hello.
//
//	id of the Hello (16) | card
type Accept struct {
	Hello ID
	Card
}

// A Text is what one person has to say: 1 to MaxText bytes of UTF-8, without control
// characters but line feed and tab.
type Text string

// A Received says that messages have arrived, and are on disk.
//
//	ids (16 each), 1 to MaxReceipts of them
type Received []ID

// A File offers a file. The id of the message is that of the file.
//
//	size (8) | SHA-256 (32) | name
type File struct {
	Size uint64 // 1 to MaxFile
	Hash [sha256.Size]byte
	Name string // see CheckFileName
}

// Chunks is how many chunks the file has.
func (f File) Chunks() uint32 { return uint32((f.Size + ChunkSize - 1) / ChunkSize) }

// ChunkLen is how many bytes the chunk has; zero if there is none of that index.
func (f File) ChunkLen(index uint32) int {
	switch n := f.Chunks(); {
	case index >= n:
		return 0
	case index == n-1:
		return int(f.Size - uint64(index)*ChunkSize)
	}
	return ChunkSize
}

// A Chunk is a piece of a file that the recipient has accepted.
//
//	file (16) | index (4), from 0 | 1 to ChunkSize bytes
type Chunk struct {
	File  ID
	Index uint32
	Data  []byte
}

// A Have tells how much of a file has arrived; the first one accepts the file.
//
//	file (16) | below (4) | beyond (8)
type Have struct {
	File ID
	// Below is how many chunks are there from the beginning on, without a gap.
	Below uint32
	// Beyond has bit i set, from the lowest, if chunk Below+1+i is there too.
	Beyond uint64
}

// An End says that there will be no more of a file.
//
//	file (16) | reason (1)
type End struct {
	File   ID
	Reason Reason
}

// A Reason says why.
type Reason uint8

// The reasons.
const (
	Complete Reason = 1 // the recipient has it, and its hash is right
	Declined Reason = 2 // the recipient does not want it
	Canceled Reason = 3 // either has changed their mind
	Damaged  Reason = 4 // the hash was not right, or the file has changed
)

// Kind implements Body.
func (Hello) Kind() Kind    { return KindHello }
func (Accept) Kind() Kind   { return KindAccept }
func (Card) Kind() Kind     { return KindCard }
func (Text) Kind() Kind     { return KindText }
func (Received) Kind() Kind { return KindReceived }
func (File) Kind() Kind     { return KindFile }
func (Chunk) Kind() Kind    { return KindChunk }
func (Have) Kind() Kind     { return KindHave }
func (End) Kind() Kind      { return KindEnd }

func (c Card) append(b []byte) []byte {
	return append(append(append(b, c.Address.String()...), '\n'), c.Name...)
}

func (a Accept) append(b []byte) []byte { return a.Card.append(append(b, a.Hello[:]...)) }
func (t Text) append(b []byte) []byte   { return append(b, t...) }

func (r Received) append(b []byte) []byte {
	for _, id := range r {
		b = append(b, id[:]...)
	}
	return b
}

func (f File) append(b []byte) []byte {
	b = append(binary.BigEndian.AppendUint64(b, f.Size), f.Hash[:]...)
	return append(b, f.Name...)
}

func (c Chunk) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(append(b, c.File[:]...), c.Index), c.Data...)
}

func (h Have) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(append(b, h.File[:]...), h.Below)
	return binary.BigEndian.AppendUint64(b, h.Beyond)
}

func (e End) append(b []byte) []byte { return append(append(b, e.File[:]...), byte(e.Reason)) }

func (c Card) check() error {
	if c.Address.IsZero() {
		return fmt.Errorf("%w: card without an address", ErrMalformed)
	}
	return CheckName(c.Name)
}

func (t Text) check() error { return checkText("text", string(t), MaxText, "\n\t", false) }

func (r Received) check() error { return between("receipts", len(r), MaxReceipts) }

func (f File) check() error {
	if f.Size < 1 || f.Size > MaxFile {
		return fmt.Errorf("%w: file of %d bytes, want 1 to %d", ErrMalformed, f.Size, MaxFile)
	}
	return CheckFileName(f.Name)
}

func (c Chunk) check() error {
	if c.Index >= MaxFile/ChunkSize {
		return fmt.Errorf("%w: chunk %d, want less than %d", ErrMalformed, c.Index, MaxFile/ChunkSize)
	}
	return between("bytes of a chunk", len(c.Data), ChunkSize)
}

func (h Have) check() error {
	if h.Below > MaxFile/ChunkSize {
		return fmt.Errorf("%w: %d chunks, want at most %d", ErrMalformed, h.Below, MaxFile/ChunkSize)
	}
	return nil
}

func (e End) check() error {
	if e.Reason < Complete || e.Reason > Damaged {
		return fmt.Errorf("%w: reason %d", ErrMalformed, e.Reason)
	}
	return nil
}

func between(what string, n, most int) error {
	if n < 1 || n > most {
		return fmt.Errorf("%w: %d %s, want 1 to %d", ErrMalformed, n, what, most)
	}
	return nil
}

// ParseBody parses a body of a kind, save what [Parse] finds wrong with its content.
// It keeps nothing of b.
func ParseBody(k Kind, b []byte) (Body, error) {
	short := func(n int) error {
		return fmt.Errorf("%w: body of %d bytes for kind %d, want %d", ErrMalformed, len(b), k, n)
	}
	switch k {
	case KindHello:
		c, err := parseCard(b)
		return Hello{c}, err
	case KindAccept:
		if len(b) < IDSize {
			return nil, short(IDSize)
		}
		c, err := parseCard(b[IDSize:])
		return Accept{ID(b[:IDSize]), c}, err
	case KindCard:
		return parseCard(b)
	case KindText:
		return Text(b), nil
	case KindReceived:
		if len(b)%IDSize != 0 || len(b) > MaxReceipts*IDSize {
			return nil, short(len(b) / IDSize * IDSize)
		}
		var r Received
		for ; len(b) > 0; b = b[IDSize:] {
			r = append(r, ID(b[:IDSize]))
		}
		return r, nil
	case KindFile:
		if len(b) < 40 {
			return nil, short(40)
		}
		return File{binary.BigEndian.Uint64(b), [32]byte(b[8:40]), string(b[40:])}, nil
	case KindChunk:
		if len(b) < IDSize+4 {
			return nil, short(IDSize + 4)
		}
		return Chunk{ID(b[:IDSize]), binary.BigEndian.Uint32(b[IDSize:]), bytes.Clone(b[IDSize+4:])}, nil
	case KindHave:
		if len(b) != IDSize+12 {
			return nil, short(IDSize + 12)
		}
		return Have{ID(b[:IDSize]), binary.BigEndian.Uint32(b[IDSize:]), binary.BigEndian.Uint64(b[IDSize+4:])}, nil
	case KindEnd:
		if len(b) != IDSize+1 {
			return nil, short(IDSize + 1)
		}
		return End{ID(b[:IDSize]), Reason(b[IDSize])}, nil
	}
	return nil, fmt.Errorf("%w: kind %d", ErrMalformed, k)
}

func parseCard(b []byte) (Card, error) {
	address, name, ok := strings.Cut(string(b), "\n")
	if !ok {
		return Card{}, fmt.Errorf("%w: card without a name", ErrMalformed)
	}
	a, err := mixnet.ParseRecipientText(address)
	if err != nil {
		return Card{}, fmt.Errorf("%w: card: %v", ErrMalformed, err)
	}
	return Card{a, name}, nil
}

// CheckName reports what is wrong with a person's name. A name has no control
// characters and none that change the direction of the text around it.
func CheckName(s string) error {
	if strings.TrimSpace(s) != s {
		return fmt.Errorf("%w: name with blanks around it", ErrMalformed)
	}
	return checkText("name", s, MaxName, "", true)
}

// CheckFileName reports what is wrong with the name of a file. What is true of
// names holds for it too, and it names no folder.
func CheckFileName(s string) error {
	if s == "." || s == ".." || strings.ContainsAny(s, `/\`) {
		return fmt.Errorf("%w: file name %q names a folder", ErrMalformed, s)
	}
	return checkText("file name", s, MaxFileName, "", true)
}

// checkText checks that s is 1 to most bytes of UTF-8 without control characters
// but those allowed. Those of direction would let a name pretend to be another.
func checkText(what, s string, most int, allowed string, direction bool) error {
	if err := between("bytes of a "+what, len(s), most); err != nil {
		return err
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrMalformed, what)
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) || direction && unicode.Is(unicode.Bidi_Control, r) {
			return fmt.Errorf("%w: %s with the character %U", ErrMalformed, what, r)
		}
	}
	return nil
}
