package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"nym-socks5/mixnet"
)

// ErrDamaged reports a file that was not written by a Spool of this key, or was
// changed since.
var ErrDamaged = errors.New("spool: damaged, or sealed with another key")

// version is that of a file.
const version = 1

// What a file has besides the body.
const (
	nonceSize = chacha20poly1305.NonceSizeX
	innerSize = 2*mixnet.SenderTagSize + 4
	overhead  = 1 + nonceSize + innerSize + chacha20poly1305.Overhead
)

// encode seals a message:
//
//	+-------------+------------+---- sealed: ---+---------+-------------+------+
//	| version (1) | nonce (24) | from (16) | to (16) | packets (4, BE) | body |
//	+-------------+------------+----------------+---------+-------------+------+
//
// What is authenticated besides is the version and the number of the file.
func (s *Spool) encode(id uint64, m mixnet.Message) []byte {
	inner := make([]byte, 0, innerSize+len(m.Body))
	inner = append(append(inner, m.From[:]...), m.To[:]...)
	inner = binary.BigEndian.AppendUint32(inner, uint32(m.Packets))
	inner = append(inner, m.Body...)
	b := make([]byte, 1+nonceSize, overhead+len(m.Body))
	b[0] = version
	rand.Read(b[1:])
	return s.seal.Seal(b, b[1:], inner, bound(id))
}

// decode opens what encode sealed. Its errors wrap [ErrDamaged].
func (s *Spool) decode(id uint64, b []byte) (m mixnet.Message, err error) {
	if len(b) < overhead || b[0] != version {
		return m, fmt.Errorf("%w: %d bytes", ErrDamaged, len(b))
	}
	inner, err := s.seal.Open(nil, b[1:1+nonceSize], b[1+nonceSize:], bound(id))
	if err != nil {
		return m, ErrDamaged
	}
	m.From, m.To = mixnet.SenderTag(inner), mixnet.SenderTag(inner[mixnet.SenderTagSize:])
	m.Packets = int(binary.BigEndian.Uint32(inner[2*mixnet.SenderTagSize:]))
	m.Body = inner[innerSize:]
	return m, nil
}

func bound(id uint64) []byte { return binary.BigEndian.AppendUint64([]byte{version}, id) }
