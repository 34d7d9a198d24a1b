package directory

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"testing"

	"nym-socks5/mixnet/keys"
)

func FuzzParseSeal(f *testing.F) {
	s := testSeal()
	s.Sign(keys.NewIdentityKey(), "/v1/topology", Hash{1})
	f.Add(s.String())
	f.Add("v=1; key=; epoch=1")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSeal(text)
		if err != nil {
			return
		}
		again, err := ParseSeal(s.String())
		if err != nil || *again != *s {
			t.Fatalf("%q reads as %+v, which is written as %q: %v", text, s, s.String(), err)
		}
	})
}

func FuzzParseAnnouncement(f *testing.F) {
	for _, role := range []Role{RoleMixnode, RoleGateway, RoleRequester} {
		a := testAnnouncement(keys.NewIdentityKey(), role)
		text, err := json.Marshal(a.json())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parseAnnouncement(text)
		if err != nil {
			return
		}
		once, err := json.Marshal(a.json())
		if err != nil {
			t.Fatalf("%q cannot be written: %v", text, err)
		}
		b, err := parseAnnouncement(once)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, once, err)
		}
		if twice, _ := json.Marshal(b.json()); string(twice) != string(once) {
			t.Fatalf("%q is written as %q and then as %q", text, once, twice)
		}
	})
}

func FuzzOpenAnnouncement(f *testing.F) {
	k := keys.IdentityKeyFromSeed([32]byte{1}) // the same in every worker
	a := testAnnouncement(k, RoleGateway)
	signed, err := a.Sign(k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := OpenAnnouncement(b); err == nil && a.Identity != k.Public() {
			t.Fatalf("forged: %q", b)
		}
	})
}

func FuzzParseFile(f *testing.F) {
	v := vectorView(f)
	v.Cadence = Cadence{60e9, 30e9}
	doc, err := v.AppendDocument(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	vec := loadVectors(f)
	f.Add(vec.body(f, "custom topology file"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseFile(b)
		if err != nil {
			return
		}
		v.Topology() // must not panic
		once, err := v.AppendDocument(nil)
		if err != nil {
			return // a year beyond 9999 cannot be written
		}
		again, err := ParseFile(once)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", b, once, err)
		}
		if twice, _ := again.AppendDocument(nil); string(twice) != string(once) {
			t.Fatalf("%q is written as %q and then as %q", b, once, twice)
		}
	})
}

func FuzzReadLists(f *testing.F) {
	a := lists(f)
	vec := loadVectors(f)
	f.Add(a.mixnodes, a.gateways, a.rewarded, a.rotation, vec.body(f, pathSemiSkimmed+"?page=0"))
	f.Fuzz(func(t *testing.T, mixnodes, gateways, rewarded, rotation, semi []byte) {
		lists := nymAnswers{mixnodes, gateways, rewarded, rotation, semi}
		v, err := lists.view()
		if err != nil {
			return
		}
		v.Topology() // must not panic
		for _, n := range v.Nodes {
			if n.Addr().IsZero() || n.Identity.IsZero() && n.MixPort == 0 {
				t.Fatalf("a node without an address: %+v", n)
			}
		}
	})
}

func FuzzHead(f *testing.F) {
	h := Head{Network: "test", Sequence: 1}
	h.Sign(keys.NewIdentityKey())
	b, err := json.Marshal(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again Head
		if json.Unmarshal(b, &h) != nil {
			return
		}
		out, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil || again != h && h.Network == again.Network {
			t.Fatalf("%q is written as %q: %v", b, out, err)
		}
	})
}

func FuzzHistory(f *testing.F) {
	h := History{Network: "test", Oldest: 1, Newest: 3, From: 2, Before: Hash{1}, Links: []Link{{noon, Hash{2}}}}
	b, err := json.Marshal(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"oldest":1,"newest":1,"from":2,"before":"` + Hash{}.String() + `","links":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again History
		if json.Unmarshal(b, &h) != nil {
			return
		}
		out, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil || !reflect.DeepEqual(h, again) && h.Network == again.Network {
			t.Fatalf("%q is written as %q: %v", b, out, err)
		}
	})
}

func FuzzParseSaved(f *testing.F) {
	k := keys.IdentityKeyFromSeed([32]byte{1}) // the same in every worker
	v := vectorView(f)
	body, err := v.AppendDocument(nil)
	if err != nil {
		f.Fatal(err)
	}
	p := &snapshot{seal: testSeal(), body: body, path: PathTopology}
	p.seal.Sign(k, p.path, sha256.Sum256(body))
	f.Add(p.appendSaved(nil, Hash{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, chain, err := parseSaved(b, k.Public())
		if err != nil {
			return
		}
		again, chain2, err := parseSaved(p.appendSaved(nil, chain), k.Public())
		if err != nil || chain2 != chain || again.hash != p.hash || again.seal != p.seal {
			t.Fatalf("%q cannot be written again: %v", b, err)
		}
	})
}
