package directory

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/keys"
)

// SealHeader is the HTTP header that carries a Seal.
const SealHeader = "Directory-Signature"

// A Hash is the SHA-256 of a document.
type Hash [32]byte

// String gives the hex form.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ETag is the form in the headers ETag and If-None-Match.
func (h Hash) ETag() string { return `"` + h.String() + `"` }

// ParseHash parses the hex form.
func ParseHash(s string) (h Hash, err error) {
	if len(s) != 2*len(h) || strings.ToLower(s) != s {
		return Hash{}, fmt.Errorf("%w: hash", ErrMalformed)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("%w: hash", ErrMalformed)
	}
	return h, nil
}

// A Seal is what a directory signs about a document: where it was asked for,
// which snapshot it belongs to, when it is in force, and which topology
// document came before (nodes.md §4.11, H24). Times are UTC.
type Seal struct {
	Key        keys.Identity // the directory's
	Epoch      uint32
	Sequence   uint64 // of the snapshot, from 1
	Issued     time.Time
	ValidAfter time.Time
	ValidUntil time.Time
	Previous   Hash // of the topology document of the snapshot before; zero: none
	Signature  [64]byte
}

// signed gives the bytes under the signature.
func (s *Seal) signed(path string, body Hash) []byte {
	return fmt.Appendf(nil, "nym-socks5 directory v1\n%s\n%d\n%d\n%s\n%s\n%s\n%s\n%s\n",
		path, s.Epoch, s.Sequence, sealTime(s.Issued), sealTime(s.ValidAfter), sealTime(s.ValidUntil), s.Previous, body)
}

// Sign signs for a path (with its query) and the hash of what is found there.
func (s *Seal) Sign(k *keys.IdentityKey, path string, body Hash) {
	s.Key = k.Public()
	s.Signature = k.Sign(s.signed(path, body))
}

// Verify reports whether key signed this seal for a path and a body.
func (s *Seal) Verify(key keys.Identity, path string, body Hash) bool {
	return s.Key == key && key.Verify(s.signed(path, body), s.Signature[:])
}

// String gives the value of the header.
func (s *Seal) String() string {
	return fmt.Sprintf("v=1; key=%s; epoch=%d; sequence=%d; issued=%s; valid-after=%s; valid-until=%s; previous=%s; sig=%s",
		s.Key, s.Epoch, s.Sequence, sealTime(s.Issued), sealTime(s.ValidAfter), sealTime(s.ValidUntil),
		s.Previous, base58.Encode(s.Signature[:]))
}

// ParseSeal parses the value of the header. Members we do not know are ignored;
// those we know stand there once each. It checks no signature. Its errors wrap
// [ErrMalformed].
func ParseSeal(text string) (*Seal, error) {
	if len(text) > maxSeal {
		return nil, fmt.Errorf("%w: seal of %d bytes", ErrMalformed, len(text))
	}
	members := make(map[string]string)
	for part := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, again := members[name]; !ok || again {
			return nil, fmt.Errorf("%w: seal", ErrMalformed)
		}
		members[name] = value
	}
	if members["v"] != "1" {
		return nil, fmt.Errorf("%w: seal of another version", ErrMalformed)
	}
	var s Seal
	var errs [8]error
	s.Key, errs[0] = keys.ParseIdentityText(members["key"])
	var epoch uint64
	epoch, errs[1] = parseNumber(members["epoch"], 32)
	s.Epoch = uint32(epoch)
	s.Sequence, errs[2] = parseNumber(members["sequence"], 64)
	s.Issued, errs[3] = parseSealTime(members["issued"])
	s.ValidAfter, errs[4] = parseSealTime(members["valid-after"])
	s.ValidUntil, errs[5] = parseSealTime(members["valid-until"])
	s.Previous, errs[6] = ParseHash(members["previous"])
	s.Signature, errs[7] = parseSignature(members["sig"])
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%w: seal", ErrMalformed)
		}
	}
	return &s, nil
}

func sealTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// parseSealTime takes the one form that we write: what is signed can be
// written in no other way.
func parseSealTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || sealTime(t) != s {
		return time.Time{}, fmt.Errorf("%w: time", ErrMalformed)
	}
	return t.UTC(), nil
}

func parseNumber(s string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%w: number", ErrMalformed)
	}
	return n, nil
}

func parseSignature(s string) (sig [64]byte, err error) {
	if len(s) > 88 {
		return sig, fmt.Errorf("%w: signature", ErrMalformed)
	}
	b, err := base58.Decode(s)
	if err != nil || len(b) != len(sig) {
		return sig, fmt.Errorf("%w: signature", ErrMalformed)
	}
	return [64]byte(b), nil
}

// ParseKey parses the key of a directory, as people copy it from one place to
// another.
func ParseKey(text string) (keys.Identity, error) {
	key, err := keys.ParseIdentityText(text)
	switch {
	case err == nil:
		return key, nil
	case len(text) < 43:
		return key, fmt.Errorf("directory: %q is no key of a directory: it has %d letters, where a key has 43 or 44; was it cut off when it was copied?", printable(text), len(text))
	case len(text) > 44:
		return key, fmt.Errorf("directory: %q is no key of a directory: it has %d letters, where a key has 43 or 44", printable(text), len(text))
	}
	return key, fmt.Errorf("directory: %q is no key of a directory: is every letter of it right?", printable(text))
}
