package wsapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nym-socks5/mixnet"
)

func body(s string) mixnet.Message { return mixnet.Message{Body: []byte(s)} }

func TestBacklogDropsTheOldest(t *testing.T) {
	b := NewMemoryBacklog(3, 10)
	all := func() (texts []string) {
		for _, m := range b.(*memoryBacklog).kept {
			texts = append(texts, string(m.Body))
		}
		return texts
	}
	for _, c := range []struct {
		add     string
		dropped int
		want    string
	}{
		{"a", 0, "a"}, {"bb", 0, "a bb"}, {"c", 0, "a bb c"},
		{"d", 1, "bb c d"},              // too many
		{"eeeeeeeee", 2, "d eeeeeeeee"}, // too much
		{"fffffffffff", 3, ""},          // more than all
		{"g", 0, "g"},
	} {
		got, err := b.Add(body(c.add))
		if err != nil || got != c.dropped || strings.Join(all(), " ") != c.want {
			t.Errorf("after %s: dropped %d, kept %q, %v; want %d, %q", c.add, got, all(), err, c.dropped, c.want)
		}
	}
	b.Add(body("hh"))
	var ids []uint64
	take := func(most int) (more bool) {
		ids = nil
		more, err := b.Take(most, func(m mixnet.Message) bool { return len(m.Body) < 3 }, func(id uint64, _ mixnet.Message) { ids = append(ids, id) })
		if err != nil {
			t.Error(err)
		}
		return more
	}
	if !take(1) || len(ids) != 1 || b.Drop(ids[0]) != nil {
		t.Errorf("took %d, want one, and more to come", len(ids))
	}
	if take(10) || len(ids) != 1 {
		t.Errorf("took %d, want one and no more", len(ids))
	}
	b.Return(ids[0])
	if n, bytes := b.Len(); take(10) || len(ids) != 1 || n != 1 || bytes != 2 {
		t.Errorf("took %d; %d with %d bytes are left", len(ids), n, bytes)
	}
}

func TestTagsAreKeptForRecipients(t *testing.T) {
	tags := newTags(3)
	person := func(n byte) mixnet.Recipient {
		var r mixnet.Recipient
		r.Identity[0] = n
		return r
	}
	first := tags.of(person(1), "")
	if first.IsZero() || tags.of(person(2), "") == first {
		t.Fatal("two recipients with one tag, or none")
	}
	tags.of(person(3), "")
	if tags.of(person(1), "") != first {
		t.Error("another tag the second time")
	}
	second := tags.of(person(2), "")
	tags.of(person(4), "") // 3 was not asked for longest
	if tags.of(person(1), "") != first || tags.of(person(2), "") != second {
		t.Error("a tag in use was forgotten")
	}
	if len(tags.byName) != 3 || tags.order.Len() != 3 {
		t.Errorf("%d and %d kept, want 3", len(tags.byName), tags.order.Len())
	}
	if newTags(1).of(person(1), "") == first {
		t.Error("the tag follows from the recipient")
	}
	apart := newTags(8)
	general, one, other := apart.of(person(1), ""), apart.of(person(1), "one"), apart.of(person(1), "other")
	if general == one || one == other || general == other || apart.of(person(1), "one") != one || apart.of(person(2), "one") == one {
		t.Error("matters that are kept apart share a tag, or one has two")
	}
}

func TestOutbox(t *testing.T) {
	message := func(n int) outgoing {
		return outgoing{response: response{kind: receivedResponse, message: make([]byte, n)}}
	}
	b := newOutbox(1000)
	if !b.put(message(5000)) {
		t.Error("one message that is more than the box was refused")
	}
	if b.put(message(1)) {
		t.Error("a full box took another")
	}
	if o, ok := b.first(); !ok || len(o.response.message) != 5000 {
		t.Error("the first is not there")
	}
	b.done()
	if _, ok := b.first(); ok || b.bytes != 0 {
		t.Errorf("%d bytes in an empty box", b.bytes)
	}
	b.fill([]outgoing{message(900), message(900), message(900)})
	if b.put(message(1)) {
		t.Error("a full box took another")
	}
	if left := b.close(); len(left) != 3 {
		t.Errorf("%d left, want 3", len(left))
	}
	b.done() // of what was being written when it closed
	if _, ok := b.first(); ok || b.put(message(1)) {
		t.Error("a closed box is in use")
	}
}

// hardening.md H34: "the Host header must be a loopback literal or a configured
// name, a foreign or `null` Origin is refused".
func TestH34HostAndOrigin(t *testing.T) {
	g := guard{hosts: []string{"localhost", "nym.example"}, origins: []string{"http://localhost:3000"}}
	const none = "none"
	for _, c := range []struct {
		host, origin string
		want         bool
	}{
		{"127.0.0.1:1977", none, true},
		{"127.0.0.1", none, true},
		{"127.8.8.8:1", none, true},
		{"[::1]:1977", none, true},
		{"[::1]", none, true},
		{"localhost:1977", none, true},
		{"LocalHost", none, true},
		{"nym.example:1977", none, true},
		{"", none, false},
		{":1977", none, false},
		{"evil.example:1977", none, false},
		{"localhost.evil.example", none, false},
		{"127.0.0.1.evil.example:1977", none, false},
		{"192.0.2.1:1977", none, false},
		{"0.0.0.0:1977", none, false},
		{"[::]:1977", none, false},
		{"2130706433:1977", none, false},

		{"127.0.0.1:1977", "http://localhost:3000", true},
		{"127.0.0.1:1977", "HTTP://LOCALHOST:3000", true},
		{"127.0.0.1:1977", "null", false},
		{"127.0.0.1:1977", "", false},
		{"127.0.0.1:1977", "https://evil.example", false},
		{"127.0.0.1:1977", "http://localhost", false},
		{"127.0.0.1:1977", "https://localhost:3000", false},
		{"127.0.0.1:1977", "http://localhost:3000/", false},
		{"127.0.0.1:1977", "http://127.0.0.1:1977", true}, // our own
		{"localhost:1977", "http://localhost:1977", true},
		{"127.0.0.1:1977", "https://127.0.0.1:1977", false},
		{"127.0.0.1:1977", "http://127.0.0.1:1978", false},
		{"127.0.0.1:1977", "http://127.0.0.1", false},
		{"127.0.0.1:1977", "http://localhost:1977", false},
		{"evil.example:1977", "http://evil.example:1977", false}, // a name that was made to point here
		{"evil.example", "http://localhost:3000", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		if c.origin != none {
			r.Header.Set("Origin", c.origin)
		}
		if got, _ := g.objection(r); (got == "") != c.want {
			t.Errorf("host %q, origin %q: objection %q", c.host, c.origin, got)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "127.0.0.1"
	r.Header["Origin"] = []string{"http://localhost:3000", "https://evil.example"}
	if what, _ := g.objection(r); what == "" {
		t.Error("two origins, of which one is foreign")
	}
}

func TestToken(t *testing.T) {
	g := guard{token: "open sesame"}
	for _, c := range []struct {
		query, header string
		want          bool
	}{
		{"", "", false},
		{"", "Bearer open sesame", true},
		{"", "Bearer open sesam", false},
		{"", "open sesame", false},
		{"?token=open+sesame", "", true},
		{"?token=", "", false},
		{"?token=open+sesame", "Bearer wrong", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/"+c.query, nil)
		r.Host = "127.0.0.1"
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		if got, _ := g.objection(r); (got == "") != c.want {
			t.Errorf("query %q, header %q: objection %q", c.query, c.header, got)
		}
	}
}

func TestValidOrigin(t *testing.T) {
	for s, want := range map[string]bool{
		"http://localhost:3000": true, "https://example.org": true, "chrome-extension://abc": true,
		"": false, "null": false, "*": false, "localhost": false, "http://a/": false, "http://a/b": false, "http://": false,
	} {
		if ValidOrigin(s) != want {
			t.Errorf("%q: %v, want %v", s, !want, want)
		}
	}
}
