package message

import (
	"encoding/binary"
	"errors"
	"fmt"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/surb"
)

// ErrMalformed reports bytes that no conforming sender produces.
var ErrMalformed = errors.New("message: malformed")

// A Kind says what a Message is for.
type Kind uint8

// The kinds of message. Data, MoreSURBs and Heartbeat are repliable: they name
// the sender's tag and bring reply SURBs. Reply and SURBRequest travel only in
// packets made with reply SURBs.
const (
	Plain       Kind = iota // bytes from nobody
	Data                    // bytes that can be answered
	MoreSURBs               // reply SURBs that were asked for
	Heartbeat               // reply SURBs that were not
	Reply                   // bytes in answer
	SURBRequest             // a request for reply SURBs
)

var kinds = [...]string{"plain", "data", "more SURBs", "heartbeat", "reply", "SURB request"}

// String names the kind.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// repliable reports whether messages of the kind name a tag and bring SURBs.
func (k Kind) repliable() bool { return k == Data || k == MoreSURBs || k == Heartbeat }

// underReply reports whether the kind belongs under a reply key.
func (k Kind) underReply() bool { return k == Reply || k == SURBRequest }

// hasBody reports whether messages of the kind have a Body.
func (k Kind) hasBody() bool { return k == Plain || k == Data || k == Reply }

// Overhead is how many bytes a message of the kind has besides its body, with
// that many SURBs, of that many hops, in a list of either version.
func (k Kind) Overhead(surbs, hops int, legacy bool) int {
	switch {
	case k.repliable():
		return 1 + mixnet.SenderTagSize + 1 + listHeader + surbs*entrySize(legacy, hops)
	case k == Reply:
		return 2
	case k == SURBRequest:
		return 2 + mixnet.RecipientSize + 4
	}
	return 1
}

// A Message is what one client says to another.
//
//	0 ‖ body                                            Plain
//	1 ‖ tag (16) ‖ 3 or 0 ‖ list of SURBs ‖ body         Data
//	1 ‖ tag (16) ‖ 4 or 1 ‖ list of SURBs                MoreSURBs
//	1 ‖ tag (16) ‖ 5 or 2 ‖ list of SURBs                Heartbeat
//	2 ‖ 0 ‖ body                                        Reply, never empty
//	2 ‖ 1 ‖ recipient (96) ‖ amount (4, BE)              SURBRequest
type Message struct {
	Kind Kind
	Body []byte // of Plain, Data and Reply; at most mixnet.MaxMessage bytes

	// Of the repliable kinds:
	From  mixnet.SenderTag // never zero
	SURBs []surb.Reply     // all for the same rotation and number of hops
	// Legacy says that the list of SURBs is of the first version, with full
	// keys: for peers of 2025.7 and before, and for no others.
	Legacy bool

	// Of SURBRequest: where the one who asks says it is reached, which is not
	// to be believed (H12), and how many SURBs it wants.
	Requester mixnet.Recipient
	Amount    uint32
}

// The bytes that tell the kinds apart.
const (
	typePlain     = 0
	typeRepliable = 1
	typeReply     = 2

	tagReply   = 0 // behind typeReply
	tagRequest = 1

	tagsLegacy = 0 // behind typeRepliable and the tag: Data, MoreSURBs, Heartbeat
	tagsSeeded = 3
)

// AppendBinary implements [encoding.BinaryAppender]. It fails with
// [mixnet.ErrTooLong] for a body that is too long, with [mixnet.ErrEmpty] for an
// empty reply, and for a message that could not be parsed.
func (m *Message) AppendBinary(b []byte) ([]byte, error) {
	if len(m.Body) > mixnet.MaxMessage {
		return b, mixnet.ErrTooLong
	}
	var err error
	switch {
	case m.Kind == Plain:
		b = append(b, typePlain)
	case m.Kind.repliable():
		if m.From.IsZero() {
			return b, errors.New("message: a repliable message needs a tag")
		}
		first := byte(tagsSeeded)
		if m.Legacy {
			first = tagsLegacy
		}
		b = append(append(b, typeRepliable), m.From[:]...)
		if b, err = appendList(append(b, first+byte(m.Kind-Data)), m.SURBs, m.Legacy); err != nil {
			return b, err
		}
	case m.Kind == Reply:
		if len(m.Body) == 0 {
			return b, mixnet.ErrEmpty
		}
		b = append(b, typeReply, tagReply)
	case m.Kind == SURBRequest:
		if b, err = m.Requester.AppendBinary(append(b, typeReply, tagRequest)); err != nil {
			return b, fmt.Errorf("message: SURB request: %w", err)
		}
		b = binary.BigEndian.AppendUint32(b, m.Amount)
	default:
		return b, fmt.Errorf("message: encoding a %v", m.Kind)
	}
	if m.Kind.hasBody() {
		b = append(b, m.Body...)
	}
	return b, nil
}

// Parse parses exactly one message; only behind a list of SURBs that is the end
// of its message trailing bytes are ignored (sphinx.md §5.7). The body aliases
// b. underReply says whether all of b came under reply keys: a kind that does
// not belong there is refused, as is a reply that did not (H12). Its errors wrap
// [ErrMalformed].
func Parse(b []byte, underReply bool) (*Message, error) {
	m, err := parse(b)
	switch {
	case err != nil:
		return nil, err
	case m.Kind.underReply() != underReply:
		return nil, fmt.Errorf("%w: %v in the wrong envelope", ErrMalformed, m.Kind)
	case len(m.Body) > mixnet.MaxMessage:
		return nil, fmt.Errorf("%w: body of %d bytes, want at most %d", ErrMalformed, len(m.Body), mixnet.MaxMessage)
	}
	return m, nil
}

func parse(b []byte) (*Message, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrMalformed)
	}
	switch kind, b := b[0], b[1:]; kind {
	case typePlain:
		return &Message{Kind: Plain, Body: b}, nil
	case typeRepliable:
		return parseRepliable(b)
	case typeReply:
		return parseReply(b)
	default:
		return nil, fmt.Errorf("%w: message of type %d", ErrMalformed, kind)
	}
}

func parseRepliable(b []byte) (*Message, error) {
	if len(b) < mixnet.SenderTagSize+1 {
		return nil, fmt.Errorf("%w: repliable message of %d bytes", ErrMalformed, len(b))
	}
	m := &Message{From: mixnet.SenderTag(b)}
	if m.From.IsZero() { // nobody draws it, and we could not tell it from none
		return nil, fmt.Errorf("%w: repliable message without a tag", ErrMalformed)
	}
	tag, b := b[mixnet.SenderTagSize], b[mixnet.SenderTagSize+1:]
	if tag >= 2*tagsSeeded {
		return nil, fmt.Errorf("%w: repliable message with content tag %d", ErrMalformed, tag)
	}
	m.Kind = Data + Kind(tag%tagsSeeded)
	m.Legacy = tag < tagsSeeded
	var err error
	if m.SURBs, b, err = parseList(b, m.Legacy); err != nil {
		return nil, err
	}
	if m.Kind == Data {
		m.Body = b
	}
	return m, nil
}

func parseReply(b []byte) (*Message, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty reply", ErrMalformed)
	}
	switch tag, b := b[0], b[1:]; tag {
	case tagReply:
		if len(b) == 0 {
			return nil, fmt.Errorf("%w: reply without a body", ErrMalformed)
		}
		return &Message{Kind: Reply, Body: b}, nil
	case tagRequest:
		if len(b) != mixnet.RecipientSize+4 {
			return nil, fmt.Errorf("%w: SURB request of %d bytes, want %d", ErrMalformed, len(b), mixnet.RecipientSize+4)
		}
		r, err := mixnet.ParseRecipient(b[:mixnet.RecipientSize])
		if err != nil {
			return nil, fmt.Errorf("%w: SURB request: %w", ErrMalformed, err)
		}
		return &Message{Kind: SURBRequest, Requester: r, Amount: binary.BigEndian.Uint32(b[mixnet.RecipientSize:])}, nil
	default:
		return nil, fmt.Errorf("%w: reply with content tag %d", ErrMalformed, tag)
	}
}
