package boltstore

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"nym-socks5/mixnet/keys"
)

// A grant is what a gateway keeps of a client, and a client of a gateway: the
// key they share and when it was last used.
//
//	+----------------------+---------------+
//	| session key (32)     | seen (8, BE)  |
//	+----------------------+---------------+
type grant struct {
	key  *keys.Session
	seen uint64 // Unix seconds; zero: never
}

const grantSize = keys.SessionSize + 8

func (g grant) append(b []byte) []byte {
	b = append(b, g.key.Bytes()[:]...)
	return binary.BigEndian.AppendUint64(b, g.seen)
}

// parseGrant parses exactly one grant. It does not keep b.
func parseGrant(b []byte) (grant, error) {
	if len(b) != grantSize {
		return grant{}, fmt.Errorf("%w: account of %d bytes, want %d", ErrDamaged, len(b), grantSize)
	}
	return grant{
		key:  keys.SessionFromBytes([keys.SessionSize]byte(b)),
		seen: binary.BigEndian.Uint64(b[keys.SessionSize:]),
	}, nil
}

// A registration is what a gateway keeps of a client.
//
//	+---------------+---------------+------------+
//	| a grant (40)  | used (8, BE)  | proved (1) |
//	+---------------+---------------+------------+
type registration struct {
	grant
	used   time.Time // registered, authenticated or proved last; whole seconds since 1970
	proved bool      // it has sent a sealed frame
}

const registrationSize = grantSize + 9

func (r registration) append(b []byte) []byte {
	b = r.grant.append(b)
	b = binary.BigEndian.AppendUint64(b, uint64(r.used.Unix()))
	if r.proved {
		return append(b, 1)
	}
	return append(b, 0)
}

// parseRegistration parses exactly one registration. It does not keep b.
func parseRegistration(b []byte) (registration, error) {
	if len(b) != registrationSize {
		return registration{}, fmt.Errorf("%w: registration of %d bytes, want %d", ErrDamaged, len(b), registrationSize)
	}
	if b[registrationSize-1] > 1 {
		return registration{}, fmt.Errorf("%w: registration with flag %d", ErrDamaged, b[registrationSize-1])
	}
	g, err := parseGrant(b[:grantSize])
	return registration{
		grant:  g,
		used:   time.Unix(int64(binary.BigEndian.Uint64(b[grantSize:])), 0),
		proved: b[registrationSize-1] == 1,
	}, err
}

// An entry of the index finds a client's mail in the order of its ids, and says
// what it costs and how old it is without touching it. Its key is the client's
// name and the id; this is its value.
//
//	+----------------------------------+-------------------------------------+
//	| arrived (8, BE, ns since 1970)   | unproved (1 bit), message (31, BE)  |
//	+----------------------------------+-------------------------------------+
type entry struct {
	arrived  time.Time
	unproved bool   // it counts as mail of clients that proved nothing
	size     uint32 // of the message, in bytes
}

const unprovedBit = 1 << 31

const (
	entrySize    = 12
	entryKeySize = nameSize + 8
)

func (e entry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(e.arrived.UnixNano()))
	size := e.size
	if e.unproved {
		size |= unprovedBit
	}
	return binary.BigEndian.AppendUint32(b, size)
}

// parseEntry parses exactly one entry.
func parseEntry(b []byte) (entry, error) {
	if len(b) != entrySize {
		return entry{}, fmt.Errorf("%w: index entry of %d bytes, want %d", ErrDamaged, len(b), entrySize)
	}
	size := binary.BigEndian.Uint32(b[8:])
	return entry{
		arrived:  time.Unix(0, int64(binary.BigEndian.Uint64(b))),
		unproved: size&unprovedBit != 0,
		size:     size &^ unprovedBit,
	}, nil
}

// entryKey is the key of a client's mail in the index.
func entryKey(client name, id uint64) []byte {
	return binary.BigEndian.AppendUint64(client[:], id)
}

// parseEntryKey parses exactly one key of the index.
func parseEntryKey(b []byte) (client name, id uint64, err error) {
	if len(b) != entryKeySize {
		return name{}, 0, fmt.Errorf("%w: index key of %d bytes, want %d", ErrDamaged, len(b), entryKeySize)
	}
	return name(b[:nameSize]), binary.BigEndian.Uint64(b[nameSize:]), nil
}

// putSum stores a number; zero takes no row.
func putSum(b *bolt.Bucket, key []byte, n uint64) error {
	if n == 0 {
		return b.Delete(key)
	}
	return b.Put(key, binary.BigEndian.AppendUint64(nil, n))
}

// parseSum parses a number; nothing stands for zero.
func parseSum(b []byte) (uint64, error) {
	switch len(b) {
	case 0:
		return 0, nil
	case 8:
		return binary.BigEndian.Uint64(b), nil
	}
	return 0, fmt.Errorf("%w: sum of %d bytes, want 8", ErrDamaged, len(b))
}
