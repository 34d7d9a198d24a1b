package assembly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/internal/cli"
	"nym-socks5/mixnet/keys"
)

// old are the files of a state folder of version 1, each with the record that
// holds its text now. The first two have forms of their own.
var old = []struct{ file, record string }{
	{"gateway", ""},
	{"gateways", ""},
	{"requester", "requester"},
	{"directory-head", "head"},
	{"announcement", "announcement"},
	{"sphinx-ring.pem", "sphinx-ring"},
	{"sphinx-in-use", "sphinx-in-use"},
}

// Upgrade is for programs that keep records.
var Upgrade = cli.Upgrade{Convert: convert, Converted: converted}

// convert makes records of the files of a state folder of version 1. It may be
// called again after it was cut off: the files stay until converted removes
// them.
func convert(s *cli.State) error {
	ctx := context.Background()
	records := Records(s)
	for _, o := range old {
		text, err := s.ReadText(o.file)
		if err != nil {
			return err
		}
		if text == "" || o.record == "" {
			continue
		}
		if err := records.Save(ctx, o.record, endpoint.Record{Version: 1, Body: []byte(text)}); err != nil {
			return err
		}
	}
	entries, err := oldEntries(s)
	if err != nil || len(entries.List) == 0 {
		return err
	}
	return entries.Save(ctx, records)
}

// converted removes the files that convert read, and keys that stand in records
// now.
func converted(s *cli.State) error {
	var errs []error
	remove := func(name string) {
		if err := os.Remove(s.Path(name)); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, o := range old {
		remove(o.file)
	}
	for _, key := range oldKeys[1:] {
		remove(key)
	}
	return errors.Join(errs...)
}

// oldKeys are the files of the identities of entries. The first is the program's
// own, and stays.
var oldKeys = []string{"identity.pem", "identity-2.pem", "identity-3.pem"}

// oldEntries reads the gateways of a state folder of version 1: one that was drawn
// for a program that stays at it, or up to three.
func oldEntries(s *cli.State) (*endpoint.Entries, error) {
	entries := new(endpoint.Entries)
	var list struct {
		Version int `json:"version"`
		List    []struct {
			Gateway string `json:"gateway"`
			Key     string `json:"key"` // file
		} `json:"gateways"`
		Tried []struct {
			Gateway string    `json:"gateway"`
			At      time.Time `json:"at"`
		} `json:"tried"`
	}
	text, err := s.ReadText("gateways")
	if err != nil {
		return nil, err
	}
	if text == "" {
		text, err := s.ReadText("gateway")
		if err != nil || text == "" {
			return entries, err
		}
		id, err := keys.ParseIdentityText(text)
		if err != nil {
			return nil, cli.Invalid("%s: %v", s.Path("gateway"), err)
		}
		return entries, entries.AddWith(id, nil)
	}
	broken := func(err error) error { return cli.Invalid("%s: %v", s.Path("gateways"), err) }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, broken(err)
	}
	if list.Version != 1 {
		return nil, broken(fmt.Errorf("it is of version %d, not 1", list.Version))
	}
	for _, g := range list.List {
		id, err := keys.ParseIdentityText(g.Gateway)
		if err != nil {
			return nil, broken(err)
		}
		var identity *keys.IdentityKey // nil: the program's own
		switch i := slices.Index(oldKeys, g.Key); {
		case i < 0:
			return nil, broken(fmt.Errorf("%q is no file of a key", g.Key))
		case i > 0:
			if identity, err = s.Identity(g.Key); errors.Is(err, os.ErrNotExist) {
				identity, err = keys.NewIdentityKey(), nil // that gateway never saw us
			}
			if err != nil {
				return nil, err
			}
		}
		if err := entries.AddWith(id, identity); err != nil {
			return nil, broken(err)
		}
	}
	for _, a := range list.Tried {
		id, err := keys.ParseIdentityText(a.Gateway)
		if err != nil {
			return nil, broken(err)
		}
		entries.Tried(id, a.At)
	}
	return entries, nil
}
