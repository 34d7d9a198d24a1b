package boltstore

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/mixnode"
)

func TestRecords(t *testing.T) {
	g := grant{key: keys.SessionFromBytes([32]byte{1, 2, 3}), seen: math.MaxUint64 - 1}
	b := g.append(nil)
	if got, err := parseGrant(b); err != nil || !got.key.Equal(g.key) || got.seen != g.seen {
		t.Errorf("grant: seen %d, %v", got.seen, err)
	}
	var rb []byte
	for _, r := range []registration{{grant: g, used: time.Unix(1<<40, 0), proved: true}, {grant: g, used: time.Unix(-1, 0)}} {
		rb = r.append(nil)
		got, err := parseRegistration(rb)
		if err != nil || !got.key.Equal(g.key) || got.seen != g.seen || !got.used.Equal(r.used) || got.proved != r.proved {
			t.Errorf("registration: seen %d, used %v, proved %v, %v", got.seen, got.used, got.proved, err)
		}
	}
	var eb []byte
	for _, e := range []entry{{arrived: time.Unix(-5, 7), size: math.MaxInt32}, {arrived: time.Unix(5, 7), unproved: true}} {
		eb = e.append(nil)
		if got, err := parseEntry(eb); err != nil || !got.arrived.Equal(e.arrived) || got.size != e.size || got.unproved != e.unproved {
			t.Errorf("entry: %v, %v", got, err)
		}
	}
	who := name{9, 8, 7}
	kb := entryKey(who, 1<<63+1)
	if got, id, err := parseEntryKey(kb); err != nil || got != who || id != 1<<63+1 {
		t.Errorf("key: %x %d, %v", got, id, err)
	}
	for what, err := range map[string]error{
		"short grant": second(parseGrant(b[1:])), "long grant": second(parseGrant(append(b, 0))),
		"short registration": second(parseRegistration(rb[1:])), "long registration": second(parseRegistration(append(rb, 0))),
		"registration with another flag": second(parseRegistration(append(bytes.Clone(rb[:len(rb)-1]), 2))),
		"short entry":                    second(parseEntry(eb[1:])), "long entry": second(parseEntry(append(eb, 0))),
		"short sum": second(parseSum(make([]byte, 7))), "long sum": second(parseSum(make([]byte, 9))),
		"short key": third(parseEntryKey(kb[1:])), "long key": third(parseEntryKey(append(kb, 0))),
	} {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want ErrDamaged", what, err)
		}
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

// The five row formats have one target: their lengths tell them apart.
func FuzzParseRow(f *testing.F) {
	f.Add(grant{key: keys.SessionFromBytes([32]byte{1}), seen: 7}.append(nil))
	f.Add(registration{grant: grant{key: keys.SessionFromBytes([32]byte{1})}, used: time.Unix(9, 0), proved: true}.append(nil))
	f.Add(entry{arrived: time.Unix(1, 2), size: 3}.append(nil))
	f.Add(entryKey(name{1}, 2))
	f.Add(make([]byte, 8))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		if g, err := parseGrant(in); err == nil && !bytes.Equal(g.append(nil), in) {
			t.Errorf("%x parses as a grant, but does not encode so", in)
		}
		if r, err := parseRegistration(in); err == nil && !bytes.Equal(r.append(nil), in) {
			t.Errorf("%x parses as a registration, but does not encode so", in)
		}
		if e, err := parseEntry(in); err == nil && !bytes.Equal(e.append(nil), in) {
			t.Errorf("%x parses as %v, but does not encode so", in, e)
		}
		if who, id, err := parseEntryKey(in); err == nil && !bytes.Equal(entryKey(who, id), in) {
			t.Errorf("%x parses as %x, %d, but does not encode so", in, who, id)
		}
		if n, err := parseSum(in); (err == nil) != (len(in) == 0 || len(in) == 8) || n != 0 && len(in) != 8 {
			t.Errorf("%x parses as %d, %v", in, n, err)
		}
	})
}

func FuzzParseReplayHeader(f *testing.F) {
	f.Add(replayHeader{key: [16]byte{1, 2, 3}}.append(nil))
	f.Add(replayHeader{key: [16]byte{1, 2, 3}, boot: bootID{9}, state: logOpen}.append(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := parseReplayHeader(in)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Errorf("error of neither kind: %v", err)
			}
			return
		}
		if h.version == 1 {
			return // never written any more
		}
		if out := h.append(nil); !bytes.HasPrefix(in, out) {
			t.Errorf("%x parses, and encodes as %x", in, out)
		}
	})
}

// A log is read to its first fault, and what was read encodes as it was.
func FuzzReadRecord(f *testing.F) {
	one := appendRecord(nil, []mixnode.ReplayTag{{1}})
	f.Add(one)
	f.Add(appendRecord(one, make([]mixnode.ReplayTag, 3)))
	f.Add(appendRecord(nil, make([]mixnode.ReplayTag, maxRecord)))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, in []byte) {
		var out, buf []byte
		for r := bytes.NewReader(in); r.Len() > 0; {
			tags, raw, err := readRecord(r, buf)
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("got %v, want ErrDamaged", err)
				}
				break
			}
			buf, out = raw, appendRecord(out, tags)
		}
		if !bytes.HasPrefix(in, out) {
			t.Errorf("%x reads as %x", in, out)
		}
	})
}

// A disk that cannot be read is not a damaged file.
func TestReadErrorsStay(t *testing.T) {
	_, _, err := readRecord(io.MultiReader(bytes.NewReader([]byte{0, 0, 0, 1, 5}), failingReader{}), nil)
	if !errors.Is(err, errDisk) || errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want the disk's error", err)
	}
}

var errDisk = errors.New("disk on fire")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errDisk }
