package broadcast

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// members are those of a JSON object; their names are case-sensitive.
type members map[string]json.RawMessage

// parseMembers reads an object of this version.
func parseMembers(b []byte) (members, error) {
	var m members
	if !utf8.Valid(b) || json.Unmarshal(b, &m) != nil || m == nil {
		return nil, malformed("this is no JSON object")
	}
	if v, there := m["broadcast"]; !there {
		return m, malformed("there is no broadcast, the version: say %d", Version)
	} else if string(v) != "1" {
		return m, ErrVersion
	}
	return m, nil
}

// read reads a member, if it is there.
func (m members) read(name string, v any) error {
	b, there := m[name]
	if !there || string(b) == "null" {
		return nil
	}
	if json.Unmarshal(b, v) != nil {
		return malformed("the value of %s is of the wrong kind", name)
	}
	return nil
}

// id reads the id, if it can be read.
func (m members) id() string {
	var id string
	if m.read("id", &id) != nil || len(id) > MaxID {
		return ""
	}
	return id
}

// first is the first of joined errors.
func first(err error) error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return all.Unwrap()[0]
	}
	return err
}

// appendJSON appends v, with the characters of HTML as they are.
func appendJSON(b []byte, v any) ([]byte, error) {
	out := bytes.NewBuffer(b)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return b, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
