package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"nym-socks5/endpoint"
)

// Store tests an [endpoint.Store]. fresh gives an empty one, by a function that
// opens it, and opens it again.
func Store(t *testing.T, fresh func(t *testing.T) (reopen func() endpoint.Store)) {
	t.Run("Records", func(t *testing.T) { records(t, fresh(t)) })
	t.Run("Bounds", func(t *testing.T) { bounds(t, fresh(t)) })
	t.Run("Ownership", func(t *testing.T) { ownership(t, fresh(t)) })
	t.Run("ManyAtOnce", func(t *testing.T) { atOnce(t, fresh(t)) })
}

func want(t *testing.T, s endpoint.Store, name string, r endpoint.Record) {
	t.Helper()
	got, err := s.Load(t.Context(), name)
	if err != nil || got.Version != r.Version || !bytes.Equal(got.Body, r.Body) {
		t.Errorf("record %s: version %d, %d bytes, %v; want version %d, %d bytes", name, got.Version, len(got.Body), err, r.Version, len(r.Body))
	}
}

func save(t *testing.T, s endpoint.Store, name string, r endpoint.Record) {
	t.Helper()
	if err := s.Save(t.Context(), name, r); err != nil {
		t.Fatalf("save %s: %v", name, err)
	}
}

// Records come back as they were saved, also when the store is opened again; a
// later one takes the place of an earlier one.
func records(t *testing.T, reopen func() endpoint.Store) {
	s := reopen()
	want(t, s, "entries", endpoint.Record{})
	all := map[string]endpoint.Record{
		"entries":   {Version: 1, Body: []byte("one\ntwo\n")},
		"empty":     {Version: 7},
		"binary":    {Version: 2, Body: []byte("\x00\xff\n\n\x00")},
		"entries-2": {Version: 1, Body: []byte("another")},
	}
	for name, r := range all {
		save(t, s, name, r)
	}
	for range 2 {
		for name, r := range all {
			want(t, s, name, r)
		}
		want(t, s, "entrie", endpoint.Record{})
		s = reopen()
	}
	save(t, s, "entries", endpoint.Record{Version: 2, Body: []byte("x")})
	s = reopen()
	want(t, s, "entries", endpoint.Record{Version: 2, Body: []byte("x")})
	want(t, s, "entries-2", all["entries-2"])
}

// A store takes what [endpoint.CheckRecord] allows, and nothing else.
func bounds(t *testing.T, reopen func() endpoint.Store) {
	s := reopen()
	long := strings.Repeat("n", endpoint.MaxName)
	most := endpoint.Record{Version: 1 << 30, Body: bytes.Repeat([]byte("b"), endpoint.MaxRecord)}
	save(t, s, long, most)
	want(t, reopen(), long, most)
	ok := endpoint.Record{Version: 1}
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "A", "a b", "ä", long + "n", "a.b", "con\x00"} {
		if s.Save(t.Context(), name, ok) == nil {
			t.Errorf("a record was saved under %q", name)
		}
	}
	for _, r := range []endpoint.Record{{}, {Version: -1}, {Body: []byte("x")}, {Version: 1, Body: make([]byte, endpoint.MaxRecord+1)}} {
		if s.Save(t.Context(), "entries", r) == nil {
			t.Errorf("version %d, %d bytes: saved", r.Version, len(r.Body))
		}
	}
	want(t, s, "entries", endpoint.Record{})
}

// A store keeps none of its caller's memory, and gives none of its own away.
func ownership(t *testing.T, reopen func() endpoint.Store) {
	s := reopen()
	body := []byte("body")
	save(t, s, "entries", endpoint.Record{Version: 1, Body: body})
	clear(body)
	got, err := s.Load(t.Context(), "entries")
	if err != nil {
		t.Fatal(err)
	}
	want(t, s, "entries", endpoint.Record{Version: 1, Body: []byte("body")})
	clear(got.Body)
	want(t, s, "entries", endpoint.Record{Version: 1, Body: []byte("body")})
}

// Many may use a store at once: a reader sees one record or the other, whole.
func atOnce(t *testing.T, reopen func() endpoint.Store) {
	s := reopen()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := fmt.Sprintf("own-%d", i)
			for round := range 8 {
				r := endpoint.Record{Version: i + 1, Body: bytes.Repeat([]byte{byte(i + 1)}, 1000*(i+1))}
				if err := s.Save(t.Context(), "shared", r); err != nil {
					t.Errorf("save: %v", err)
				}
				got, err := s.Load(t.Context(), "shared")
				if err != nil || len(got.Body) != 1000*got.Version || len(bytes.Trim(got.Body, string(rune(got.Version)))) != 0 {
					t.Errorf("a reader saw version %d with %d bytes, %v", got.Version, len(got.Body), err)
				}
				if err := s.Save(t.Context(), own, endpoint.Record{Version: round + 1}); err != nil {
					t.Errorf("save: %v", err)
				}
			}
		})
	}
	wg.Wait()
	s = reopen()
	for i := range 8 {
		want(t, s, fmt.Sprintf("own-%d", i), endpoint.Record{Version: 8})
	}
}
