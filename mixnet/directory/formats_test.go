package directory

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// nodes.md §4.3: "A JSON number, more than 1, a sign, 19 decimals, ".5" and "1."
// are decoding errors"
func TestPerformance(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "1": "1", "0.5": "0.5", "0.750": "0.75", "1.000": "1", "0.000000000000000001": "0.000000000000000001", "01": "1",
	} {
		var p nymPerformance
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, _ := p.MarshalText(); string(got) != want {
			t.Errorf("%q is written back as %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", ".5", "1.", "1.1", "2", "11", "-1", "+1", "0.1234567890123456789", "1e0", "0,5", " 1", "0.5 "} {
		var p nymPerformance
		if err := p.UnmarshalText([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
	var s struct{ P nymPerformance }
	if json.Unmarshal([]byte(`{"P":1}`), &s) == nil {
		t.Error("a number is taken")
	}
	if b, _ := json.Marshal(struct{ P nymPerformance }{performanceFull}); string(b) != `{"P":"1"}` {
		t.Errorf("written as %s, want a string", b)
	}
}

// nodes.md §4.3: "accepted forms: YYYY-MM-DD HH:MM:SS.f +HH:MM:SS (fraction
// mandatory; the only form very old clients understand) or RFC 3339; unparsable
// text is taken as 1970"
func TestRefreshedAt(t *testing.T) {
	at := time.Date(2026, 5, 16, 6, 27, 52, 0, time.UTC)
	if got, want := nymTime(at), "2026-05-16 06:27:52.0 +00:00:00"; got != want {
		t.Errorf("written as %q, want %q", got, want)
	}
	for text, want := range map[string]time.Time{
		"2026-05-16 06:27:52.0 +00:00:00":         at,
		"2026-05-16 08:27:52.25 +02:00:00":        at.Add(250 * time.Millisecond),
		"2026-05-16T06:27:52Z":                    at,
		"2026-05-16T08:27:52.000000001+02:00":     at.Add(1),
		"yesterday":                               time.Unix(0, 0),
		"2026-05-16 06:27:52.000000007 +00:00:00": at.Add(7),
	} {
		if got := parseNymTime(text); !got.Equal(want) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// nodes.md §4.3: roles as Nym writes and reads them.
func TestRoleForms(t *testing.T) {
	for text, want := range map[string]nymRole{
		`{"Mixnode":{"layer":2}}`: {Layer: 2}, `"EntryGateway"`: {Name: "EntryGateway"}, `"gateway"`: {Name: "gateway"}, `"Standby"`: {Name: "Standby"},
	} {
		var r nymRole
		if err := json.Unmarshal([]byte(text), &r); err != nil || r != want {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
		if b, _ := json.Marshal(r); string(b) != text {
			t.Errorf("%s is written back as %s", text, b)
		}
	}
}

// lists are the documents of the vectors, for spoiling.
func lists(t testing.TB) nymAnswers {
	vec := loadVectors(t)
	return nymAnswers{
		mixnodes: vec.body(t, pathMixnodes+"?page=0"), gateways: vec.body(t, pathGateways+"?page=0"),
		rewarded: vec.body(t, pathRewardedSet), rotation: vec.body(t, PathRotation),
	}
}

func replace(b []byte, old, new string) []byte {
	out := strings.Replace(string(b), old, new, 1)
	if out == string(b) {
		panic("nothing replaced: " + old)
	}
	return []byte(out)
}

// nodes.md §4.3: "must be equal in the mixnode and the entry-gateway answers …
// The same holds for absolute_epoch_id and the rewarded set's epoch_id"
func TestListsOfDifferentMomentsAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*nymAnswers){
		"epoch of mixes": func(a *nymAnswers) {
			a.mixnodes = replace(a.mixnodes, `"absolute_epoch_id":8760`, `"absolute_epoch_id":8761`)
		},
		"rotation of gateways":  func(a *nymAnswers) { a.gateways = replace(a.gateways, `"rotation_id":364`, `"rotation_id":365`) },
		"epoch of rewarded set": func(a *nymAnswers) { a.rewarded = replace(a.rewarded, `"epoch_id":8760`, `"epoch_id":8759`) },
	} {
		a := lists(t)
		spoil(&a)
		if _, err := a.view(); !errors.Is(err, errMixed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneBadNodeSpoilsNothing(t *testing.T) {
	const id2 = `"ed25519_identity_pubkey":"2dJpqtttDwrfHb2De1kZk7hyoYYoLJ6LFgweE75Ej8Gk"`
	for name, spoil := range map[string]func([]byte) []byte{
		"performance low":         func(b []byte) []byte { return replace(b, `"performance":"0.75"`, `"performance":"0.49"`) },
		"performance as a number": func(b []byte) []byte { return replace(b, `"performance":"0.75"`, `"performance":0.75`) },
		"no identity":             func(b []byte) []byte { return replace(b, id2, `"ed25519_identity_pubkey":""`) },
		"no hosts":                func(b []byte) []byte { return replace(b, `["203.0.113.12"]`, `[]`) },
		"a name as host":          func(b []byte) []byte { return replace(b, `["203.0.113.12"]`, `["mix.example.org"]`) },
		"port out of range":       func(b []byte) []byte { return replace(b, `"mix_port":1790`, `"mix_port":99999`) },
		"port 0":                  func(b []byte) []byte { return replace(b, `"mix_port":1790`, `"mix_port":0`) },
		"not in the rewarded set": func(b []byte) []byte { return replace(b, `"node_id":2`, `"node_id":77`) },
	} {
		a := lists(t)
		a.mixnodes = spoil(a.mixnodes)
		v, err := a.view()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(v.Nodes) != 4 {
			t.Errorf("%s: %d nodes are left, want 4", name, len(v.Nodes))
		}
		if _, err := v.Topology(); !errors.Is(err, topology.ErrInsufficient) { // layer 2 had one node
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hardening.md H10: "A topology drops nodes whose Sphinx key is low-order,
// non-canonical or on the twist."
func TestH10BadSphinxKeysAreNotListed(t *testing.T) {
	k := keys.NewIdentityKey()
	a := testAnnouncement(k, RoleMixnode)
	for name, bad := range map[string]keys.Sphinx{"zero": {}, "order 1": {1}, "twist": {2}} {
		a.Sphinx[0].Key = bad
		signed, err := a.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAnnouncement(signed); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: announced, %v", name, err)
		}
		v := vectorView(t)
		v.Nodes[1].Sphinx = bad
		doc, err := v.AppendDocument(nil)
		if err != nil {
			t.Fatal(err)
		}
		read, err := ParseFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		if len(read.Nodes) != 4 {
			t.Errorf("%s: %d nodes are read, want 4", name, len(read.Nodes))
		}
	}
}

// One entry that repeats another's number, address or identity is left out.
func TestTopologyOfAViewWithDoubles(t *testing.T) {
	for name, spoil := range map[string]func(n *Node, first Node){
		"identity": func(n *Node, first Node) { n.Identity = first.Identity },
		"address":  func(n *Node, first Node) { n.Hosts, n.MixPort = first.Hosts, first.MixPort },
		"number":   func(n *Node, first Node) { n.ID = first.ID },
	} {
		v := vectorView(t)
		double := v.Nodes[1]
		double.ID, double.Identity, double.MixPort = 9, keys.NewIdentityKey().Public(), 9999
		spoil(&double, v.Nodes[0])
		v.Nodes = append(v.Nodes, double)
		n, err := v.Topology()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(n.Layer(2)) != 1 {
			t.Errorf("%s: the double is used", name)
		}
	}
}

func testAnnouncement(k *keys.IdentityKey, role Role) Announcement {
	a := Announcement{Network: "test", Identity: k.Public(), Role: role, Build: "test 1"}
	switch role {
	case RoleRequester:
		a.Addresses = []mixnet.Recipient{{Identity: keys.NewIdentityKey().Public(), Gateway: keys.NewIdentityKey().Public()}}
		return a
	case RoleGateway:
		a.Clients = Clients{WS: 9000}
	}
	a.Hosts, a.MixPort = []netip.Addr{netip.MustParseAddr("203.0.113.1")}, 1789
	a.Sphinx = []RotationKey{{25, keys.NewSphinxKey().Public()}}
	a.Noise = keys.NewNoiseKey().Public()
	return a
}

func TestAnnouncementForms(t *testing.T) {
	const tlsOnly Role = "gateway over TLS only"
	for _, role := range []Role{RoleMixnode, RoleGateway, RoleRequester, tlsOnly} {
		k := keys.NewIdentityKey()
		a := testAnnouncement(k, role)
		a.Sequence, a.Issued = 17, noon
		switch role {
		case tlsOnly:
			a.Role, a.Clients = RoleGateway, Clients{WSS: 9001, Hostname: "gw.example.org"}
		case RoleMixnode:
			a.PreferredLayer = 3
		case RoleGateway:
			a.Clients = Clients{9000, 9001, "gw.example.org"}
			a.Sphinx = append(a.Sphinx, RotationKey{26, keys.NewSphinxKey().Public()})
		case RoleRequester:
			a.Policy = Hash{7}.String()
		}
		signed, err := a.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenAnnouncement(signed)
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		if !reflect.DeepEqual(*got, a) {
			t.Errorf("%s:\n got %+v\nwant %+v", role, *got, a)
		}
		a.Identity = keys.NewIdentityKey().Public()
		if signed, err = a.Sign(k); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAnnouncement(signed); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: signed by somebody else: %v", role, err)
		}
	}
}

func TestAnnouncementsRefused(t *testing.T) {
	k := keys.NewIdentityKey()
	host := netip.MustParseAddr
	for name, spoil := range map[string]func(*Announcement){
		"no hosts":          func(a *Announcement) { a.Hosts = nil },
		"unspecified host":  func(a *Announcement) { a.Hosts = []netip.Addr{host("0.0.0.0")} },
		"multicast host":    func(a *Announcement) { a.Hosts = []netip.Addr{host("224.0.0.1")} },
		"zoned host":        func(a *Announcement) { a.Hosts = []netip.Addr{host("fe80::1%eth0")} },
		"the same host":     func(a *Announcement) { a.Hosts = append(a.Hosts, a.Hosts[0]) },
		"no port":           func(a *Announcement) { a.MixPort = 0 },
		"no Sphinx key":     func(a *Announcement) { a.Sphinx = nil },
		"one rotation":      func(a *Announcement) { a.Sphinx = append(a.Sphinx, a.Sphinx[0]) },
		"layer 4":           func(a *Announcement) { a.Role, a.PreferredLayer = RoleMixnode, 4 },
		"a gateway's layer": func(a *Announcement) { a.PreferredLayer = 1 },
		"no client port":    func(a *Announcement) { a.Clients.WS = 0 },
		"TLS, no name":      func(a *Announcement) { a.Clients = Clients{WSS: 9001} },
		"name, no port":     func(a *Announcement) { a.Clients = Clients{Hostname: "gw.example.org"} },
		"an address":        func(a *Announcement) { a.Clients.Hostname = "192.0.2.9" },
		"host name":         func(a *Announcement) { a.Clients.Hostname = "a b" },
		"host name, hyphen": func(a *Announcement) { a.Clients.Hostname = "-a.org" },
		"network":           func(a *Announcement) { a.Network = "a\nb" },
		"no network":        func(a *Announcement) { a.Network = "" },
		"build":             func(a *Announcement) { a.Build = "a\x1b[2J" },
		"role":              func(a *Announcement) { a.Role = "king" },
		"no addresses":      func(a *Announcement) { a.Role = RoleRequester },
	} {
		a := testAnnouncement(k, RoleGateway)
		spoil(&a)
		signed, err := a.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAnnouncement(signed); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "not JSON": "hello", "not base64": `{"announcement":"%","signature":""}`, "too long": strings.Repeat(" ", MaxAnnouncement+1),
		"another version": signedText(k, `{"version":2}`), "null": "null",
	} {
		if _, err := OpenAnnouncement([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func signedText(k *keys.IdentityKey, text string) string {
	sig := k.Sign([]byte(text))
	s := Seal{Signature: sig}
	_, b58, _ := strings.Cut(s.String(), "sig=")
	return fmt.Sprintf(`{"announcement":%q,"signature":%q}`, base64.StdEncoding.EncodeToString([]byte(text)), b58)
}

// nodes.md §4.3: "Put IPv4 first"
func TestIPv4ComesFirst(t *testing.T) {
	hosts, err := CheckHosts([]netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:203.0.113.1"), netip.MustParseAddr("2001:db8::2")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(hosts), "[203.0.113.1 2001:db8::1 2001:db8::2]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func testSeal() Seal {
	s := Seal{
		Epoch: 8760, Sequence: 412, Issued: noon, ValidAfter: noon.Add(30 * time.Second), ValidUntil: noon.Add(24 * time.Hour), Previous: Hash{1, 2, 3},
	}
	return s
}

// nodes.md §4.11: the lines under the signature.
func TestSealedLines(t *testing.T) {
	s := testSeal()
	want := "nym-socks5 directory v1\n/v1/topology?a=b\n8760\n412\n2026-05-15T12:00:00Z\n2026-05-15T12:00:30Z\n2026-05-16T12:00:00Z\n" +
		"0102030000000000000000000000000000000000000000000000000000000000\n0900000000000000000000000000000000000000000000000000000000000000\n"
	if got := string(s.signed("/v1/topology?a=b", Hash{9})); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// hardening.md H24: "The signature covers path, epoch, sequence number, issued,
// valid-until, hash of the body and hash of the document before it."
func TestH24SealCoversEverything(t *testing.T) {
	k := keys.NewIdentityKey()
	s := testSeal()
	s.Sign(k, "/v1/topology", Hash{9})
	text := s.String()
	back, err := ParseSeal(text)
	if err != nil {
		t.Fatal(err)
	}
	if *back != s {
		t.Errorf("read back %+v, want %+v", *back, s)
	}
	if !back.Verify(k.Public(), "/v1/topology", Hash{9}) {
		t.Fatal("the seal does not verify")
	}
	if back.Verify(k.Public(), "/v1/topology?x", Hash{9}) || back.Verify(k.Public(), "/v1/topology", Hash{8}) {
		t.Error("the seal verifies for another path or body")
	}
	if back.Verify(keys.NewIdentityKey().Public(), "/v1/topology", Hash{9}) {
		t.Error("the seal verifies under another key")
	}
	for name, spoil := range map[string]func(*Seal){
		"epoch":       func(s *Seal) { s.Epoch++ },
		"sequence":    func(s *Seal) { s.Sequence++ },
		"issued":      func(s *Seal) { s.Issued = s.Issued.Add(1) },
		"valid-after": func(s *Seal) { s.ValidAfter = s.ValidAfter.Add(1) },
		"valid-until": func(s *Seal) { s.ValidUntil = s.ValidUntil.Add(1) },
		"previous":    func(s *Seal) { s.Previous[31] ^= 1 },
		"key":         func(s *Seal) { s.Key = keys.NewIdentityKey().Public() },
	} {
		o := s
		spoil(&o)
		if o.Verify(k.Public(), "/v1/topology", Hash{9}) || o.Verify(o.Key, "/v1/topology", Hash{9}) {
			t.Errorf("%s can be changed", name)
		}
	}
	for name, bad := range map[string]string{
		"empty":        "",
		"twice":        text + "; epoch=1",
		"version":      strings.Replace(text, "v=1", "v=2", 1),
		"leading zero": strings.Replace(text, "epoch=8760", "epoch=08760", 1),
		"sign":         strings.Replace(text, "sequence=412", "sequence=+412", 1),
		"time":         strings.Replace(text, "2026-05-15T12:00:00Z", "2026-05-15T14:00:00+02:00", 1),
		"no time":      strings.Replace(text, "issued=", "when=", 1),
		"hash":         strings.Replace(text, "010203", "01020", 1),
		"upper case":   strings.Replace(text, "previous=01", "previous=0A", 1),
		"signature":    text[:len(text)-9],
		"too long":     text + "; x=" + strings.Repeat("y", maxSeal),
	} {
		if _, err := ParseSeal(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseSeal(text + "; later=thing"); err != nil {
		t.Errorf("a member we do not know: %v", err)
	}
}

func TestHeadForm(t *testing.T) {
	k := keys.NewIdentityKey()
	h := Head{Network: "test", Sequence: 412, Topology: Hash{5}}
	h.Sign(k)
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back Head
	if err := json.Unmarshal(b, &back); err != nil || back != h || !back.Verify(k.Public()) {
		t.Errorf("%s reads as %+v, %v", b, back, err)
	}
	for name, spoil := range map[string]func(*Head){
		"network": func(h *Head) { h.Network = "other" }, "sequence": func(h *Head) { h.Sequence++ }, "hash": func(h *Head) { h.Topology[0]++ },
	} {
		o := h
		spoil(&o)
		if o.Verify(k.Public()) {
			t.Errorf("%s can be changed", name)
		}
	}
}

func TestFilesRefused(t *testing.T) {
	const set = `"rewarded_set":{"epoch_id":1,"entry_gateways":[],"exit_gateways":[],"layer1":[],"layer2":[],"layer3":[],"standby":[]}`
	for name, text := range map[string]string{
		"empty":           "",
		"array":           "[]",
		"trailing":        "{" + set + "} x",
		"epochs differ":   `{"metadata":{"key_rotation_id":1,"absolute_epoch_id":2,"refreshed_at":"2026-05-16T06:27:52Z"},` + set + `}`,
		"endless epoch":   `{"rotation":{"validity_epochs":24,"initial_epoch":0,"epoch_seconds":18446744073709551615,"epoch_start":"2026-05-16T06:00:00Z"},` + set + `}`,
		"no epoch":        `{"rotation":{"validity_epochs":24,"initial_epoch":0,"epoch_seconds":0,"epoch_start":"2026-05-16T06:00:00Z"},` + set + `}`,
		"endless period":  `{"publication":{"period_seconds":1e300,"lead_seconds":1},` + set + `}`,
		"lead of nothing": `{"publication":{"period_seconds":60,"lead_seconds":0},` + set + `}`,
	} {
		if _, err := ParseFile([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v, err := ParseFile([]byte("{" + set + `,"node_details":{"1":{"node_id":2},"x":{},"3":7}}`))
	if err != nil || len(v.Nodes) != 0 || v.Rotation != noRotation {
		t.Errorf("nodes that make no sense: %+v, %v", v, err)
	}
}

// nodes.md §4.11: the lines under a link, and what is no piece of a history.
func TestHistoryForms(t *testing.T) {
	link := Link{noon, Hash{9}}
	want := sha256.Sum256([]byte("nym-socks5 chain v1\n0100000000000000000000000000000000000000000000000000000000000000\n412\n2026-05-15T12:00:00Z\n" +
		"0900000000000000000000000000000000000000000000000000000000000000\n"))
	if got := Chain(Hash{1}, 412, link); got != want {
		t.Errorf("chain %v, want %x", got, want)
	}
	good := `{"network":"test","oldest":2,"newest":4,"from":3,"before":"` + Hash{1}.String() + `","links":["2026-05-15T12:00:00Z ` + Hash{9}.String() + `"]}`
	var h History
	if err := json.Unmarshal([]byte(good), &h); err != nil || h.From != 3 || h.Before != (Hash{1}) || !slices.Equal(h.Links, []Link{link}) {
		t.Errorf("read %+v, %v", h, err)
	}
	if b, err := json.Marshal(h); err != nil || string(b) != good {
		t.Errorf("written as %s, %v", b, err)
	}
	for name, bad := range map[string]string{
		"from before the oldest": strings.Replace(good, `"from":3`, `"from":1`, 1),
		"beyond the newest":      strings.Replace(good, `"from":3`, `"from":5`, 1),
		"far beyond the newest":  strings.Replace(good, `"from":3`, `"from":6`, 1),
		"no oldest":              strings.Replace(good, `"oldest":2`, `"oldest":0`, 1),
		"no newest":              strings.Replace(good, `"newest":4`, `"newest":1`, 1),
		"no hash":                strings.Replace(good, "Z 09", "Z 9", 1),
		"no time":                strings.Replace(good, "2026", "26", 1),
		"another time":           strings.Replace(good, "12:00:00Z", "12:00:00.0Z", 1),
		"no space":               strings.Replace(good, "Z 09", "Z09", 1),
	} {
		if err := json.Unmarshal([]byte(bad), &h); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	k := keys.NewIdentityKey().Public()
	if got, err := ParseKey(k.String()); got != k || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{
		k.String()[:30]:          "it has 30 letters, where a key has 43 or 44; was it cut off",
		"":                       "0 letters",
		k.String() + "abc":       "where a key has 43 or 44",
		"0" + k.String()[1:]:     "is every letter of it right?",
		strings.Repeat("1", 43):  "is every letter of it right?",
		"\x1b" + k.String()[:10]: `"?`,
	} {
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

// A head states the history it is the end of, and is read without it too.
func TestH24HeadCoversTheHistory(t *testing.T) {
	k := keys.NewIdentityKey()
	h := Head{Network: "test", Sequence: 412, Topology: Hash{5}, Chain: Hash{6}}
	h.Sign(k)
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back Head
	if err := json.Unmarshal(b, &back); err != nil || back != h || !back.Verify(k.Public()) {
		t.Errorf("%s reads as %+v, %v", b, back, err)
	}
	back.Chain[31]++
	if back.Verify(k.Public()) {
		t.Error("the history can be changed")
	}
	back = h
	back.Chain = Hash{}
	if !back.Verify(k.Public()) {
		t.Error("programs that know nothing of histories cannot read it")
	}
}
