package message

import (
	"encoding/binary"
	"fmt"
	"math"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

// A list of reply SURBs is a header and the keys and SURBs, one behind the
// other (sphinx.md §5.7).
//
//	+---------------+                                          first version:
//	| count (4, BE) |  4 hops with full keys, 1164 bytes each
//	+---------------+----------+--------------+
//	| count (2, BE) | hops (1) | rotation (1) |              second version:
//	+---------------+----------+--------------+  seeds, 396+16·hops bytes each

const (
	legacyHops     = 4
	listHeader     = 4 // of both versions
	maxSURBs       = math.MaxUint16
	maxSURBsLegacy = mixnet.MaxMessage / 1164
)

// entrySize is the size of one key and SURB.
func entrySize(legacy bool, hops int) int {
	if legacy {
		return surb.ReplySize(sphinx.Version258, legacyHops)
	}
	return surb.ReplySize(sphinx.Version259, hops)
}

func appendList(b []byte, replies []surb.Reply, legacy bool) ([]byte, error) {
	var hops int
	var rotation mixnet.Rotation
	if len(replies) > 0 {
		hops, rotation = replies[0].SURB.Hops(), replies[0].Rotation
	}
	for i := range replies {
		r := &replies[i]
		switch {
		case r.SURB.Seeded() == legacy || legacy && r.SURB.Hops() != legacyHops:
			return b, fmt.Errorf("message: a SURB of the wrong version or length for its list")
		case r.SURB.Hops() != hops || r.Rotation != rotation:
			return b, fmt.Errorf("message: SURBs of different lengths or rotations in one list")
		}
	}
	switch {
	case legacy && len(replies) <= maxSURBsLegacy:
		b = binary.BigEndian.AppendUint32(b, uint32(len(replies)))
	case !legacy && len(replies) <= maxSURBs:
		b = binary.BigEndian.AppendUint16(b, uint16(len(replies)))
		b = append(b, byte(hops), byte(rotation))
	default:
		return b, fmt.Errorf("message: %d SURBs in one list", len(replies))
	}
	var err error
	for i := range replies {
		if b, err = replies[i].AppendBinary(b); err != nil {
			return b, fmt.Errorf("message: list of SURBs: %w", err)
		}
	}
	return b, nil
}

// parseList parses the list that b begins with, copies it, and gives the rest.
func parseList(b []byte, legacy bool) (replies []surb.Reply, rest []byte, err error) {
	if len(b) < listHeader {
		return nil, nil, fmt.Errorf("%w: list of SURBs in %d bytes", ErrMalformed, len(b))
	}
	count, hops, rotation := int64(binary.BigEndian.Uint32(b)), legacyHops, mixnet.RotationUnknown
	if !legacy {
		count, hops, rotation = int64(binary.BigEndian.Uint16(b)), int(b[2]), mixnet.Rotation(b[3])
	}
	b = b[listHeader:]
	if !rotation.Valid() {
		return nil, nil, fmt.Errorf("%w: SURBs for %v", ErrMalformed, rotation)
	}
	if count > 0 && (hops == 0 || hops > sphinx.MaxHops) {
		return nil, nil, fmt.Errorf("%w: SURBs of %d hops", ErrMalformed, hops)
	}
	size := entrySize(legacy, hops)
	if count > int64(len(b)/size) {
		return nil, nil, fmt.Errorf("%w: %d SURBs in %d bytes", ErrMalformed, count, len(b))
	}
	replies = make([]surb.Reply, count)
	for i := range replies {
		if replies[i], err = surb.ParseReply(b[:size], rotation); err != nil {
			return nil, nil, fmt.Errorf("%w: SURB %d: %w", ErrMalformed, i, err)
		}
		b = b[size:]
	}
	return replies, b, nil
}
