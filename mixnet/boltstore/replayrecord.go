package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"nym-socks5/mixnet/mixnode"
)

const (
	headerSize = 52
	// recordOverhead is what a record takes beside its tags, in bytes.
	recordOverhead = 8

	// The header of version 1 ended with the fingerprint and a checksum.
	headerSize1 = 32
)

var (
	replayMagic   = []byte("nymtags\n")
	replayVersion = uint32(2)
	castagnoli    = crc32.MakeTable(crc32.Castagnoli)
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// A replayHeader begins a log.
//
//	+-----------+------------------+-----------------------+-----------+---------------+------------------+
//	| magic (8) | version (4, BE)  | key fingerprint (16)  | boot (16) | state (4, BE) | CRC-32C (4, BE)  |
//	+-----------+------------------+-----------------------+-----------+---------------+------------------+
//
// In version 1, boot and state were missing: every record was on disk.
type replayHeader struct {
	version uint32 // 0 for the newest
	key     [16]byte
	boot    bootID // zero: every record is on disk
	state   logState
}

// size is that of the header in bytes.
func (h replayHeader) size() int64 {
	if h.version == 1 {
		return headerSize1
	}
	return headerSize
}

// A logState says what must be true for a log to count that names a boot.
type logState uint32

const (
	logClosed logState = iota // nothing: all of it is on disk
	logOpen                   // the machine has not started again since
)

// append writes a header of the newest version.
func (h replayHeader) append(b []byte) []byte {
	start := len(b)
	b = append(b, replayMagic...)
	b = binary.BigEndian.AppendUint32(b, replayVersion)
	b = append(b, h.key[:]...)
	b = append(b, h.boot[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(h.state))
	return binary.BigEndian.AppendUint32(b, checksum(b[start:]))
}

// parseReplayHeader parses the header that b begins with. Its errors wrap
// ErrDamaged or ErrVersion.
func parseReplayHeader(b []byte) (h replayHeader, err error) {
	damaged := fmt.Errorf("%w: header", ErrDamaged)
	if len(b) < headerSize1 || !bytes.Equal(b[:8], replayMagic) {
		return h, damaged
	}
	sound := func(size int) bool {
		return len(b) >= size && binary.BigEndian.Uint32(b[size-4:]) == checksum(b[:size-4])
	}
	version := binary.BigEndian.Uint32(b[8:])
	switch {
	case version == 1 && sound(headerSize1):
		return replayHeader{version: 1, key: [16]byte(b[12:])}, nil
	case version == replayVersion && sound(headerSize):
		h = replayHeader{key: [16]byte(b[12:]), boot: bootID(b[28:]), state: logState(binary.BigEndian.Uint32(b[44:]))}
		if h.state > logOpen {
			return h, damaged
		}
		return h, nil
	case version > replayVersion && sound(headerSize):
		return h, fmt.Errorf("%w: %d, and this program knows %d", ErrVersion, version, replayVersion)
	}
	return h, damaged
}

// appendRecord appends 1 to 4096 tags.
//
//	+----------------+-----------------+-----+--------------------------------+
//	| count (4, BE)  | tag (8)         | …   | CRC-32C of what is before (4)  |
//	+----------------+-----------------+-----+--------------------------------+
func appendRecord(b []byte, tags []mixnode.ReplayTag) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(tags)))
	for i := range tags {
		b = append(b, tags[i][:]...)
	}
	return binary.BigEndian.AppendUint32(b, checksum(b[start:]))
}

// readRecord reads one record. The memory of buf is used again; what it returns
// holds the record's bytes. An end within a record is an ErrDamaged.
func readRecord(r io.Reader, buf []byte) (tags []mixnode.ReplayTag, raw []byte, err error) {
	raw = append(buf[:0], 0, 0, 0, 0)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, raw, torn(err)
	}
	n := binary.BigEndian.Uint32(raw)
	if n == 0 || n > maxRecord {
		return nil, raw, fmt.Errorf("%w: record of %d tags", ErrDamaged, n)
	}
	size := int(n)*mixnode.ReplayTagSize + recordOverhead
	raw = append(raw, make([]byte, size-4)...)
	if _, err := io.ReadFull(r, raw[4:]); err != nil {
		return nil, raw, torn(err)
	}
	if binary.BigEndian.Uint32(raw[size-4:]) != checksum(raw[:size-4]) {
		return nil, raw, fmt.Errorf("%w: checksum of a record", ErrDamaged)
	}
	tags = make([]mixnode.ReplayTag, n)
	for i := range tags {
		tags[i] = mixnode.ReplayTag(raw[4+i*mixnode.ReplayTagSize:])
	}
	return tags, raw, nil
}

// torn says that a record ends too early; other errors are those of the disk.
func torn(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: a record ends early", ErrDamaged)
	}
	return err
}
