package mixnet

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/keys"
)

// ErrMalformed reports bytes or text that are no address.
var ErrMalformed = errors.New("mixnet: malformed")

// RecipientSize is the size of an encoded Recipient in bytes.
const RecipientSize = 96

// A Recipient is the address of a client (sphinx.md §4.5).
//
//	+---------------+-----------------+--------------+
//	| identity (32) | encryption (32) | gateway (32) |
//	+---------------+-----------------+--------------+
//
// Its text form is base58 of each: identity.encryption@gateway.
type Recipient struct {
	Identity   keys.Identity
	Encryption keys.Encryption
	Gateway    keys.Identity
}

// AppendBinary implements [encoding.BinaryAppender].
func (r Recipient) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, r.Identity[:]...)
	b = append(b, r.Encryption[:]...)
	return append(b, r.Gateway[:]...), nil
}

// ParseRecipient parses exactly one Recipient. Its errors wrap [ErrMalformed].
func ParseRecipient(b []byte) (Recipient, error) {
	if len(b) != RecipientSize {
		return Recipient{}, fmt.Errorf("%w: recipient of %d bytes, want %d", ErrMalformed, len(b), RecipientSize)
	}
	id, err := keys.ParseIdentity(b[:32])
	if err != nil {
		return Recipient{}, fmt.Errorf("%w: recipient: %v", ErrMalformed, err)
	}
	gw, err := keys.ParseIdentity(b[64:])
	if err != nil {
		return Recipient{}, fmt.Errorf("%w: recipient's gateway: %v", ErrMalformed, err)
	}
	return Recipient{Identity: id, Encryption: keys.Encryption(b[32:64]), Gateway: gw}, nil
}

// maxRecipientText is the longest text that can be a Recipient.
const maxRecipientText = 3*44 + 2

// ParseRecipientText parses the text form: exactly one dot and one @, no white
// space. Its errors wrap [ErrMalformed].
func ParseRecipientText(s string) (Recipient, error) {
	if len(s) > maxRecipientText {
		return Recipient{}, fmt.Errorf("%w: recipient of %d letters, want at most %d", ErrMalformed, len(s), maxRecipientText)
	}
	client, gateway, ok := strings.Cut(s, "@")
	if !ok || strings.Contains(gateway, "@") {
		return Recipient{}, fmt.Errorf("%w: recipient must have the form identity.encryption@gateway", ErrMalformed)
	}
	identity, encryption, ok := strings.Cut(client, ".")
	if !ok || strings.Contains(encryption, ".") || strings.Contains(gateway, ".") {
		return Recipient{}, fmt.Errorf("%w: recipient must have the form identity.encryption@gateway", ErrMalformed)
	}
	b := make([]byte, 0, RecipientSize)
	for _, part := range []string{identity, encryption, gateway} {
		d, err := base58.Decode(part)
		if err != nil || len(d) != keys.Size {
			return Recipient{}, fmt.Errorf("%w: each part of a recipient is base58 of 32 bytes", ErrMalformed)
		}
		b = append(b, d...)
	}
	return ParseRecipient(b)
}

// String gives the text form.
func (r Recipient) String() string {
	return r.Identity.String() + "." + r.Encryption.String() + "@" + r.Gateway.String()
}

// IsZero reports whether r is the zero Recipient.
func (r Recipient) IsZero() bool { return r == Recipient{} }

// SenderTagSize is the size of a SenderTag in bytes.
const SenderTagSize = 16

// A SenderTag is the random name under which the receiver of an anonymous
// message keeps the sender's reply SURBs. The zero SenderTag means none.
type SenderTag [SenderTagSize]byte

// NewSenderTag draws a fresh tag.
func NewSenderTag() (t SenderTag) {
	for t.IsZero() {
		rand.Read(t[:])
	}
	return t
}

// ParseSenderTagText parses the base58 form of a tag.
func ParseSenderTagText(s string) (SenderTag, error) {
	if len(s) > 22 {
		return SenderTag{}, fmt.Errorf("%w: sender tag of %d letters", ErrMalformed, len(s))
	}
	b, err := base58.Decode(s)
	if err != nil || len(b) != SenderTagSize {
		return SenderTag{}, fmt.Errorf("%w: a sender tag is base58 of %d bytes", ErrMalformed, SenderTagSize)
	}
	return SenderTag(b), nil
}

// String gives the base58 form.
func (t SenderTag) String() string { return base58.Encode(t[:]) }

// IsZero reports whether t is the zero tag: none.
func (t SenderTag) IsZero() bool { return t == SenderTag{} }
