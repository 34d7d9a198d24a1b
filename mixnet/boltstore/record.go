package boltstore

import (
	"encoding/binary"
	"fmt"
	"time"

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

// An entry of the index finds a client's mail in the order of its ids, and says
// what it costs and how old it is without touching it. Its key is the client's
// name and the id; this is its value.
//
//	+----------------------------------+-------------------+
//	| arrived (8, BE, ns since 1970)   | message (4, BE)   |
//	+----------------------------------+-------------------+
type entry struct {
	arrived time.Time
	size    uint32 // of the message, in bytes
}

const (
	entrySize    = 12
	entryKeySize = nameSize + 8
)

func (e entry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(e.arrived.UnixNano()))
	return binary.BigEndian.AppendUint32(b, e.size)
}

// parseEntry parses exactly one entry.
func parseEntry(b []byte) (entry, error) {
	if len(b) != entrySize {
		return entry{}, fmt.Errorf("%w: index entry of %d bytes, want %d", ErrDamaged, len(b), entrySize)
	}
	return entry{
		arrived: time.Unix(0, int64(binary.BigEndian.Uint64(b))),
		size:    binary.BigEndian.Uint32(b[8:]),
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

// parseSum parses a number of bytes; nothing stands for none.
func parseSum(b []byte) (uint64, error) {
	switch len(b) {
	case 0:
		return 0, nil
	case 8:
		return binary.BigEndian.Uint64(b), nil
	}
	return 0, fmt.Errorf("%w: sum of %d bytes, want 8", ErrDamaged, len(b))
}
