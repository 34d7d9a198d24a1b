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
	headerSize = 32
	// maxRecord is how many tags there are in a record at most.
	maxRecord = 4096
	// recordOverhead is what a record takes beside its tags, in bytes.
	recordOverhead = 8
)

var (
	replayMagic   = []byte("nymtags\n")
	replayVersion = uint32(1)
	castagnoli    = crc32.MakeTable(crc32.Castagnoli)
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// A replayHeader begins a log.
//
//	+-----------+------------------+-----------------------+------------------+
//	| magic (8) | version (4, BE)  | key fingerprint (16)  | CRC-32C (4, BE)  |
//	+-----------+------------------+-----------------------+------------------+
type replayHeader struct{ key [16]byte }

func (h replayHeader) append(b []byte) []byte {
	start := len(b)
	b = append(b, replayMagic...)
	b = binary.BigEndian.AppendUint32(b, replayVersion)
	b = append(b, h.key[:]...)
	return binary.BigEndian.AppendUint32(b, checksum(b[start:]))
}

// parseReplayHeader parses exactly one header. Its errors wrap ErrDamaged or
// ErrVersion.
func parseReplayHeader(b []byte) (replayHeader, error) {
	if len(b) != headerSize || !bytes.Equal(b[:8], replayMagic) ||
		binary.BigEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return replayHeader{}, fmt.Errorf("%w: header", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != replayVersion {
		return replayHeader{}, fmt.Errorf("%w: %d, and this program knows %d", ErrVersion, v, replayVersion)
	}
	return replayHeader{key: [16]byte(b[12:])}, nil
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
