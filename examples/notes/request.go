package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"nym-socks5/mixnet"
)

// Bounds of what a request may say.
const (
	maxText    = 64 << 10 // bytes
	maxDays    = 30
	someDays   = 7 // if a request does not say
	maxRequest = 6*maxText + 1024
)

// An ID is 16 random bytes in hex. It names a request, so that the same request is
// not carried out twice; and the ID of a put is the key of its note.
type ID [16]byte

// newID draws one.
func newID() (id ID) {
	rand.Read(id[:])
	return id
}

// MarshalText gives the hex form.
func (id ID) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(id[:])), nil }

// UnmarshalText parses the hex form, in small letters.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) != 2*len(id) || !bytes.Equal(b, bytes.ToLower(b)) {
		return fmt.Errorf("an id is %d hex digits", 2*len(id))
	}
	_, err := hex.Decode(id[:], b)
	return err
}

// name is what a note is read by. It does not give away the key.
func (id ID) name() (name ID) {
	h := sha256.Sum256(append([]byte("nym-notes\n"), id[:]...))
	return ID(h[:16])
}

// A request is what somebody asks.
type request struct {
	Notes int    `json:"notes"` // the version of the protocol: 1
	ID    ID     `json:"id"`
	Op    string `json:"op"` // put, get or delete

	Text string `json:"text,omitempty"` // put
	Days int    `json:"days,omitempty"` // put: until it is forgotten
	Name ID     `json:"name,omitzero"`  // get
	Key  ID     `json:"key,omitzero"`   // delete: the ID of the put

	// Answer is an address to send the answer to. Requests under a sender tag need
	// none, and do not say who asks.
	Answer string `json:"answer,omitempty"`
}

// An answer is what the service says to a request.
type answer struct {
	Notes int    `json:"notes"`
	ID    ID     `json:"id"`              // of the request
	Error string `json:"error,omitempty"` // one of the codes below; empty: done
	About string `json:"about,omitempty"` // the error, for people
	Name  ID     `json:"name,omitzero"`   // put: what the note is read by
	Text  string `json:"text,omitempty"`  // get
	Until int64  `json:"until,omitempty"` // put, get: when it is forgotten, in seconds since 1970
}

// A refusal is an error that an asker is told.
type refusal struct{ code, about string }

func (r *refusal) Error() string { return r.code + ": " + r.about }

// The refusals.
var (
	errNotFound = &refusal{"not-found", "there is no such note, or not any more"}
	errConflict = &refusal{"conflict", "this id was used for another note"}
	errFull     = &refusal{"full", "there is no room for more notes now; try later, or a shorter one"}
	errTooFast  = &refusal{"too-fast", "too many requests; wait a second before the next"}
)

func badRequest(format string, args ...any) *refusal {
	return &refusal{"bad-request", fmt.Sprintf(format, args...)}
}

// errNoRequest reports bytes that are not even a request to be refused: there is no
// id to answer.
var errNoRequest = errors.New("notes: no request")

// parseRequest reads exactly one request. If the error is a *refusal, the request
// has an ID, and the asker is told.
func parseRequest(b []byte) (r request, err error) {
	if len(b) > maxRequest {
		return request{}, errNoRequest
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a misspelled field must not be ignored
	if err := d.Decode(&r); err != nil || r.ID == (ID{}) {
		return request{}, errNoRequest
	}
	if _, err := d.Token(); err != io.EOF {
		return request{}, errNoRequest
	}
	if r.Notes != 1 {
		return r, badRequest("notes is %d, and this service speaks 1", r.Notes)
	}
	if _, err := mixnet.ParseRecipientText(r.Answer); r.Answer != "" && err != nil {
		return r, badRequest("answer is no address")
	}
	put, get, del := r.Op == "put", r.Op == "get", r.Op == "delete"
	switch {
	case !put && !get && !del:
		return r, badRequest("op is put, get or delete")
	case put == (r.Text == "") || len(r.Text) > maxText:
		return r, badRequest("a put, and nothing else, has a text, of 1 to %d bytes", maxText)
	case !utf8.ValidString(r.Text):
		return r, badRequest("text is not UTF-8")
	case r.Days < 0 || r.Days > maxDays || !put && r.Days != 0:
		return r, badRequest("days is 1 to %d, in a put", maxDays)
	case get != (r.Name != ID{}):
		return r, badRequest("a get, and nothing else, has a name")
	case del != (r.Key != ID{}):
		return r, badRequest("a delete, and nothing else, has a key")
	}
	if put && r.Days == 0 {
		r.Days = someDays
	}
	return r, nil
}
