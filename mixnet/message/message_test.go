package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"nym-socks5/internal/routetest"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
	"nym-socks5/mixnet/surb"
)

// mint makes n reply SURBs over the last hops of a route.
func mint(t testing.TB, v sphinx.Version, r mixnet.Rotation, n, hops int) []surb.Reply {
	t.Helper()
	_, route := routetest.New()
	routes := make([][]sphinx.Hop, n)
	for i := range routes {
		routes[i] = route[len(route)-hops:]
	}
	var b sphinx.Builder
	replies, err := surb.Mint(&b, v, r, keys.Identity{1}, routes)
	if err != nil {
		t.Fatal(err)
	}
	return replies
}

func TestMessagesAndBack(t *testing.T) {
	var (
		tag    = mixnet.SenderTag{1, 2, 3}
		seeded = mint(t, sphinx.Version259, mixnet.RotationEven, 3, 4)
		short  = mint(t, sphinx.Version259, mixnet.RotationUnknown, 2, 1)
		full   = mint(t, sphinx.Version258, mixnet.RotationUnknown, 2, 4)
		body   = []byte("hello")
	)
	for _, c := range []struct {
		name string
		m    Message
		size int
	}{
		{"plain", Message{Kind: Plain, Body: body}, 1 + 5},
		{"empty plain", Message{Kind: Plain, Body: []byte{}}, 1},
		{"data", Message{Kind: Data, From: tag, SURBs: seeded, Body: body}, 1 + 16 + 1 + 4 + 3*460 + 5},
		{"data, one hop", Message{Kind: Data, From: tag, SURBs: short, Body: body}, 1 + 16 + 1 + 4 + 2*412 + 5},
		{"data, no SURBs", Message{Kind: Data, From: tag, SURBs: []surb.Reply{}, Body: body}, 1 + 16 + 1 + 4 + 5},
		{"data, empty", Message{Kind: Data, From: tag, SURBs: seeded, Body: []byte{}}, 1 + 16 + 1 + 4 + 3*460},
		{"more SURBs", Message{Kind: MoreSURBs, From: tag, SURBs: seeded}, 1 + 16 + 1 + 4 + 3*460},
		{"heartbeat", Message{Kind: Heartbeat, From: tag, SURBs: seeded}, 1 + 16 + 1 + 4 + 3*460},
		{"old data", Message{Kind: Data, Legacy: true, From: tag, SURBs: full, Body: body}, 1 + 16 + 1 + 4 + 2*1164 + 5},
		{"old SURBs", Message{Kind: MoreSURBs, Legacy: true, From: tag, SURBs: full}, 1 + 16 + 1 + 4 + 2*1164},
		{"old heartbeat", Message{Kind: Heartbeat, Legacy: true, From: tag, SURBs: []surb.Reply{}}, 1 + 16 + 1 + 4},
		{"reply", Message{Kind: Reply, Body: body}, 2 + 5},
		// sphinx.md §5.8: "The NymMessage is then exactly 102 bytes."
		{"request", Message{Kind: SURBRequest, Requester: newParty().addr, Amount: 1<<32 - 1}, 102},
	} {
		b, err := c.m.AppendBinary([]byte("x"))
		if err != nil || len(b) != 1+c.size {
			t.Errorf("%s: %d bytes, %v, want %d", c.name, len(b)-1, err, c.size)
			continue
		}
		hops := 0
		if len(c.m.SURBs) > 0 {
			hops = c.m.SURBs[0].SURB.Hops()
		}
		if got := c.m.Kind.Overhead(len(c.m.SURBs), hops, c.m.Legacy); got != c.size-len(c.m.Body) {
			t.Errorf("%s: overhead of %d bytes, want %d", c.name, got, c.size-len(c.m.Body))
		}
		got, err := Parse(b[1:], c.m.Kind.underReply())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !reflect.DeepEqual(*got, c.m) {
			t.Errorf("%s: got %+v, want %+v", c.name, *got, c.m)
		}
		for n := range 1 + 16 + 1 + 4 { // short of its list, or of anything
			if c.m.Kind.repliable() {
				if _, err := Parse(b[1:1+n], false); !errors.Is(err, ErrMalformed) {
					t.Errorf("%s, first %d bytes: %v, want ErrMalformed", c.name, n, err)
				}
			}
		}
	}
}

func TestH12KindsAreBoundToTheirEnvelope(t *testing.T) {
	tag := mixnet.SenderTag{1}
	for _, c := range []struct {
		m          Message
		underReply bool
	}{
		{Message{Kind: Plain, Body: []byte("x")}, false},
		{Message{Kind: Data, From: tag}, false},
		{Message{Kind: MoreSURBs, From: tag}, false},
		{Message{Kind: Heartbeat, From: tag}, false},
		{Message{Kind: Data, From: tag, Legacy: true}, false},
		{Message{Kind: Reply, Body: []byte("x")}, true},
		{Message{Kind: SURBRequest, Requester: newParty().addr}, true},
	} {
		b, err := c.m.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(b, c.underReply); err != nil {
			t.Errorf("%v in its envelope: %v", c.m.Kind, err)
		}
		if m, err := Parse(b, !c.underReply); !errors.Is(err, ErrMalformed) || m != nil {
			t.Errorf("%v in the other envelope: %v, want ErrMalformed", c.m.Kind, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const tag = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
	entry, _ := mint(t, sphinx.Version259, 0, 1, 4)[0].AppendBinary(nil)
	noHop := bytes.Clone(entry)
	noHop[16+348] = 7
	v2 := func(count uint16, hops, rotation byte, entries string) string {
		return string(binary.BigEndian.AppendUint16(nil, count)) + string([]byte{hops, rotation}) + entries
	}
	for _, c := range []struct {
		name, in string
		reply    bool
	}{
		{"empty", "", false},
		{"empty, under a reply key", "", true},
		{"type 3", "\x03abc", false},
		{"tag only", "\x01" + tag, false},
		// sphinx.md §5.7: "Other tags: error, whole message lost."
		{"content tag 6", "\x01" + tag + "\x06" + v2(0, 0, 0, ""), false},
		{"content tag 255", "\x01" + tag + "\xff" + v2(0, 0, 0, ""), false},
		{"zero tag", "\x01" + strings.Repeat("\x00", 16) + "\x03" + v2(0, 0, 0, ""), false},
		{"half a list header", "\x01" + tag + "\x03\x00\x00\x00", false},
		{"rotation 3", "\x01" + tag + "\x03" + v2(1, 4, 3, string(entry)), false},
		{"rotation 3 of nothing", "\x01" + tag + "\x03" + v2(0, 0, 3, ""), false},
		{"no hops", "\x01" + tag + "\x03" + v2(1, 0, 1, string(entry)), false},
		// sphinx.md §13.7: "at most 5 seeds per SURB"
		{"six hops", "\x01" + tag + "\x03" + v2(1, 6, 1, string(entry)+string(entry)), false},
		{"one SURB too few", "\x01" + tag + "\x03" + v2(2, 4, 1, string(entry)), false},
		{"a SURB cut short", "\x01" + tag + "\x03" + v2(1, 4, 1, string(entry[:459])), false},
		// sphinx.md §5.7: "Each SURB's first hop address must parse (§4.4), else the whole message is refused."
		{"first hop of form 7", "\x01" + tag + "\x03" + v2(1, 4, 1, string(noHop)), false},
		{"second SURB bad", "\x01" + tag + "\x04" + v2(2, 4, 1, string(entry)+string(noHop)), false},
		{"old list longer than everything", "\x01" + tag + "\x00\xff\xff\xff\xff", false},
		{"old list of seeds", "\x01" + tag + "\x00\x00\x00\x00\x01" + string(entry), false},
		{"reply, nothing", "\x02", true},
		// sphinx.md §5.8: "upstream refuses an empty one"
		{"reply, empty", "\x02\x00", true},
		{"reply, tag 2", "\x02\x02abc", true},
		{"request, short", "\x02\x01" + strings.Repeat("\x01", 99), true},
		{"request, long", "\x02\x01" + strings.Repeat("\x01", 101), true},
		{"request, no point", "\x02\x01" + strings.Repeat("\x02", 100), true},
		{"body too long", "\x00" + string(make([]byte, mixnet.MaxMessage+1)), false},
	} {
		if m, err := Parse([]byte(c.in), c.reply); !errors.Is(err, ErrMalformed) || m != nil {
			t.Errorf("%s: got %+v, %v, want ErrMalformed", c.name, m, err)
		}
	}
}

// sphinx.md §5.7: "Trailing bytes after the list in tags 1, 2, 4, 5 are ignored"
func TestTrailingBytes(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		for _, k := range []Kind{MoreSURBs, Heartbeat} {
			m := Message{Kind: k, Legacy: legacy, From: mixnet.SenderTag{1}}
			b, err := m.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Parse(append(b, "trailing"...), false); err != nil || got.Kind != k || len(got.Body) != 0 {
				t.Errorf("%v, legacy %v: got %+v, %v", k, legacy, got, err)
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	var (
		tag    = mixnet.SenderTag{1}
		seeded = mint(t, sphinx.Version259, mixnet.RotationEven, 1, 4)
		odd    = mint(t, sphinx.Version259, mixnet.RotationOdd, 1, 4)
		short  = mint(t, sphinx.Version259, mixnet.RotationEven, 1, 3)
		full   = mint(t, sphinx.Version258, 0, 1, 4)
		full3  = mint(t, sphinx.Version258, 0, 1, 3)
		both   = func(a, b []surb.Reply) []surb.Reply { return append(append([]surb.Reply{}, a...), b...) }
	)
	for _, c := range []struct {
		name string
		m    Message
	}{
		{"unknown kind", Message{Kind: 6}},
		{"no tag", Message{Kind: Data}},
		{"empty reply", Message{Kind: Reply}},
		{"two rotations", Message{Kind: Data, From: tag, SURBs: both(seeded, odd)}},
		{"two lengths", Message{Kind: Data, From: tag, SURBs: both(seeded, short)}},
		{"full keys in a new list", Message{Kind: Data, From: tag, SURBs: full}},
		{"seeds in an old list", Message{Kind: Data, Legacy: true, From: tag, SURBs: seeded}},
		// sphinx.md §5.7: "The length is fixed at 4 hops."
		{"three hops in an old list", Message{Kind: Data, Legacy: true, From: tag, SURBs: full3}},
		{"too many SURBs", Message{Kind: MoreSURBs, From: tag, SURBs: manyOf(seeded[0], maxSURBs+1)}},
		{"too many old SURBs", Message{Kind: MoreSURBs, Legacy: true, From: tag, SURBs: manyOf(full[0], maxSURBsLegacy+1)}},
	} {
		if b, err := c.m.AppendBinary(nil); err == nil {
			t.Errorf("%s: encodes in %d bytes", c.name, len(b))
		}
	}
	m := Message{Kind: Plain, Body: make([]byte, mixnet.MaxMessage+1)}
	if _, err := m.AppendBinary(nil); !errors.Is(err, mixnet.ErrTooLong) {
		t.Errorf("long body: %v, want ErrTooLong", err)
	}
}

func manyOf(r surb.Reply, n int) []surb.Reply {
	replies := make([]surb.Reply, n)
	for i := range replies {
		replies[i] = r
	}
	return replies
}

func TestKindString(t *testing.T) {
	for k, want := range map[Kind]string{Plain: "plain", SURBRequest: "SURB request", 6: "Kind(6)"} {
		if got := k.String(); got != want {
			t.Errorf("kind %d is %q, want %q", uint8(k), got, want)
		}
	}
}

// FuzzParse: what parses encodes back to the same bytes, save what the format
// lets a reader ignore: bytes behind a list that ends its message, and the
// description of a list of nothing.
func FuzzParse(f *testing.F) {
	tag := mixnet.SenderTag{1}
	for _, m := range []Message{
		{Kind: Plain, Body: []byte("x")},
		{Kind: Data, From: tag, SURBs: mint(f, sphinx.Version259, 1, 1, 2), Body: []byte("x")},
		{Kind: Data, From: tag, Legacy: true, SURBs: mint(f, sphinx.Version258, 0, 1, 4), Body: []byte("x")},
		{Kind: MoreSURBs, From: tag},
		{Kind: Heartbeat, From: tag},
		{Kind: Reply, Body: []byte("x")},
		{Kind: SURBRequest, Requester: newParty().addr, Amount: 5},
	} {
		b, err := m.AppendBinary(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, m.Kind.underReply())
	}
	f.Fuzz(func(t *testing.T, in []byte, underReply bool) {
		m, err := Parse(in, underReply)
		if err != nil {
			return
		}
		if m.Kind.underReply() != underReply {
			t.Fatalf("%v in the wrong envelope", m.Kind)
		}
		out, err := m.AppendBinary(nil)
		if err != nil {
			t.Fatalf("%x parses as %+v, which does not encode: %v", in, m, err)
		}
		want := bytes.Clone(in)
		if m.Kind == MoreSURBs || m.Kind == Heartbeat {
			want = want[:len(out)]
		}
		if m.Kind.repliable() && !m.Legacy && len(m.SURBs) == 0 {
			clear(want[18:22])
		}
		if !bytes.Equal(want, out) {
			t.Fatalf("%x parses as %+v, which encodes as %x", in, m, out)
		}
	})
}
