package wsapi

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"nym-socks5/mixnet"
)

// The types of JSON requests; those behind the line are ours (socks.md §21.8).
var requestTypes = map[string]requestKind{
	"send":          sendRequest,
	"sendAnonymous": anonymousRequest,
	"reply":         replyRequest,
	"selfAddress":   addressRequest,
	// ────
	"closedConnection":   closedRequest,
	"getLaneQueueLength": queueLengthRequest,
	"cancel":             cancelRequest,
	"subscribe":          subscribeRequest,
	"unsubscribe":        unsubscribeRequest,
	"status":             statusRequest,
	"listen":             listenRequest,
	"unlisten":           unlistenRequest,
	"refuse":             refuseRequest,
}

// Names finds the address that a name stands for. Many goroutines may call it.
type Names func(name string) (mixnet.Recipient, bool)

// recipient gives the address that a text is, or stands for.
func (known Names) recipient(text string) (mixnet.Recipient, error) {
	to, err := mixnet.ParseRecipientText(text)
	if err == nil {
		return to, nil
	}
	if known == nil || strings.ContainsAny(text, ".@") {
		return to, malformed("the recipient is no address: %s", strings.TrimPrefix(err.Error(), mixnet.ErrMalformed.Error()+": "))
	}
	if to, ok := known(text); ok {
		return to, nil
	}
	return to, malformed("the recipient %.40q is neither an address (identity.encryption@gateway) nor a known name; nym-client alias list prints those", text)
}

// parseText parses exactly one JSON request (socks.md §17.1). Members that it
// does not know are ignored. Its errors are *failure; the request then still has
// its format, and its id if that could be read.
func parseText(b []byte, known Names) (request, error) {
	r := request{format: textFormat}
	var m members
	if !utf8.Valid(b) || json.Unmarshal(b, &m) != nil || m == nil {
		return r, malformed("this is no JSON object")
	}
	err := m.options(&r)
	if err != nil {
		return r, err
	}
	var name string
	if err := m.read("type", &name); err != nil {
		return r, err
	}
	kind, ok := requestTypes[name]
	if !ok {
		return r, malformed("there is no request of that type")
	}
	r.kind = kind
	switch {
	case r.sends():
		return r, m.sending(&r, known)
	case kind == closedRequest || kind == queueLengthRequest:
		r.conn.given = true
		return r, m.read("connectionId", &r.conn.n)
	case kind == cancelRequest:
		r.of, err = m.id("request")
		if err == nil && r.of == nil {
			err = malformed("there is no request, the id of what is to be canceled")
		}
		return r, err
	case kind == listenRequest || kind == unlistenRequest:
		return r, m.read("port", &r.port)
	case kind == refuseRequest:
		return r, m.read("stream", &r.stream)
	case kind == subscribeRequest:
		r.wants, err = m.subscription()
		return r, err
	}
	return r, nil
}

// members are those of a JSON object; their names are case-sensitive.
type members map[string]json.RawMessage

// has reports whether there is such a member, other than null.
func (m members) has(name string) bool {
	v, ok := m[name]
	return ok && string(v) != "null"
}

// read reads a member that must be there.
func (m members) read(name string, v any) error {
	if !m.has(name) {
		return malformed("there is no %s", name)
	}
	if json.Unmarshal(m[name], v) != nil {
		return malformed("the value of %s is of the wrong kind", name)
	}
	return nil
}

// options reads what every request may have.
func (m members) options(r *request) error {
	var err error
	if r.id, err = m.id("id"); err != nil {
		return err
	}
	if m.has("encoding") {
		var encoding string
		if err := m.read("encoding", &encoding); err != nil {
			return err
		}
		switch encoding {
		case "utf8":
		case "base64":
			r.format = base64Format
		default:
			return malformed("the encoding is neither utf8 nor base64")
		}
	}
	return nil
}

// id reads a member that is an id; nil: there is none.
func (m members) id(name string) (json.RawMessage, error) {
	if !m.has(name) {
		return nil, nil
	}
	id := m[name]
	if len(id) > maxID || id[0] != '"' && id[0] != '-' && (id[0] < '0' || id[0] > '9') {
		return nil, malformed("the %s is neither a short string nor a number", name)
	}
	return id, nil
}

// subscription reads what a program wants to get.
func (m members) subscription() (*subscription, error) {
	s := &subscription{tags: make(map[mixnet.SenderTag]struct{})}
	var texts []string
	if m.has("senderTags") {
		if err := m.read("senderTags", &texts); err != nil {
			return nil, err
		}
	}
	if len(texts) > maxSubscribed {
		return nil, malformed("there are %d senderTags, and %d may be", len(texts), maxSubscribed)
	}
	for _, text := range texts {
		tag, err := mixnet.ParseSenderTagText(text)
		if err != nil {
			return nil, malformed("one of the senderTags is not base58 of 16 bytes")
		}
		s.tags[tag] = struct{}{}
	}
	for name, to := range map[string]*bool{"replies": &s.replies, "others": &s.others} {
		if m.has(name) {
			if err := m.read(name, to); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// sending reads the request of something to be sent.
func (m members) sending(r *request, known Names) error {
	if err := m.target(r, known); err != nil {
		return err
	}
	if m.has("events") {
		if err := m.read("events", &r.events); err != nil {
			return err
		}
		if r.events && r.id == nil {
			return malformed("events need an id to be told by")
		}
	}
	if m.has("connectionId") {
		r.conn.given = true // 0 too is a connection here
		if err := m.read("connectionId", &r.conn.n); err != nil {
			return err
		}
	}
	if r.kind == anonymousRequest {
		if err := m.read("replySurbs", &r.surbs); err != nil {
			return err
		}
		if m.has("isolation") {
			if err := m.read("isolation", &r.isolation); err != nil {
				return err
			}
			if len(r.isolation) > maxIsolation {
				return malformed("the isolation has %d bytes, and %d may be", len(r.isolation), maxIsolation)
			}
		}
	}
	var message string
	if err := m.read("message", &message); err != nil {
		return err
	}
	r.message = []byte(message)
	if r.format == base64Format {
		var err error
		if r.message, err = base64.StdEncoding.Strict().DecodeString(message); err != nil {
			return malformed("the message is not base64")
		}
	}
	return nil
}

// target reads whom something is for.
func (m members) target(r *request, known Names) (err error) {
	var text string
	if r.kind == replyRequest {
		if err := m.read("senderTag", &text); err != nil {
			return err
		}
		if r.tag, err = mixnet.ParseSenderTagText(text); err != nil {
			return malformed("the senderTag is not base58 of 16 bytes")
		}
		return nil
	}
	if err := m.read("recipient", &text); err != nil {
		return err
	}
	r.to, err = known.recipient(text)
	return err
}
