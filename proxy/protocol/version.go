package protocol

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrMalformed reports bytes that no conforming peer sends.
var ErrMalformed = errors.New("protocol: malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// A Version is that of the provider interface or of the SOCKS protocol; both
// count alike (socks.md §3). Anything below 3 is legacy: it has no byte of its
// own on the wire, or an ignored one.
type Version uint8

// The versions that exist.
const (
	Legacy  Version = 0
	Current Version = 3
)

// IsLegacy reports whether v is older than version bytes.
func (v Version) IsLegacy() bool { return v < Current }

// String names the version.
func (v Version) String() string {
	if v.IsLegacy() {
		return "legacy"
	}
	return strconv.Itoa(int(v))
}

// Versions is the pair of versions a message was written in. The zero value
// is the legacy form of both; a legacy interface cannot carry a versioned
// protocol.
type Versions struct {
	Interface Version
	Protocol  Version
}

// CurrentVersions is what we speak unless answering somebody older.
var CurrentVersions = Versions{Current, Current}

// A StreamID names a stream; the client draws it. Zero is never drawn.
type StreamID uint64

// Tags of the envelope (socks.md §4).
const (
	tagControl = 0
	tagData    = 1
)

// openEnvelope reads the interface version and the tag. For the legacy
// interface, which has neither, it gives everything as data.
func openEnvelope(b []byte) (v Version, tag byte, content []byte, err error) {
	if len(b) == 0 {
		return 0, 0, nil, malformed("empty message")
	}
	v = Version(b[0])
	if v.IsLegacy() {
		return Legacy, tagData, b, nil
	}
	if len(b) < 2 {
		return 0, 0, nil, malformed("message of one byte")
	}
	if b[1] > tagData {
		return 0, 0, nil, malformed("message with tag %d", b[1])
	}
	return v, b[1], b[2:], nil
}

// appendEnvelope writes the interface version and the tag.
func appendEnvelope(b []byte, v Version, tag byte) ([]byte, error) {
	if !v.IsLegacy() {
		return append(b, byte(v), tag), nil
	}
	if tag == tagControl {
		return b, malformed("control message under the legacy interface")
	}
	return b, nil
}
