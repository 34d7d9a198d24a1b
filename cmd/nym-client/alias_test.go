package main

import (
	"maps"
	"strings"
	"testing"

	"nym-socks5/mixnet"
)

const someAddress = "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse.EuHtd9yCn95edmJqLKFeyXeoPw9nPzp1HTwdJEWEw9YL@EdmxWPmx2WH6WgFfTdu9xfkYf3k1g5wD1zccTVySEEh1"

func TestParseAliases(t *testing.T) {
	good := `{"version":1,"aliases":{"bob":"` + someAddress + `"}}`
	a, err := parseAliases([]byte(good))
	if err != nil || len(a) != 1 || a["bob"].String() != someAddress {
		t.Errorf("got %v, %v", a, err)
	}
	for name, change := range map[string][2]string{
		"another version":    {`"version":1`, `"version":2`},
		"no version":         {`"version":1,`, ``},
		"a malformed name":   {`"bob"`, `"Bob"`},
		"a name like a tag":  {`"bob"`, `"` + strings.Repeat("b", 21) + `"`},
		"an empty name":      {`"bob"`, `""`},
		"a damaged address":  {someAddress, someAddress[1:]},
		"no JSON":            {`{"version"`, `"version"`},
		"of the wrong kinds": {`"aliases":{`, `"aliases":{"x":5,`},
	} {
		if a, err := parseAliases([]byte(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: got %v", name, a)
		}
	}
	if tag := mixnet.NewSenderTag().String(); aliasName.MatchString(tag) {
		t.Errorf("sender tag %s may be a name", tag)
	}
}

func FuzzAliases(f *testing.F) {
	f.Add([]byte(`{"version":1,"aliases":{"bob":"` + someAddress + `"}}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := parseAliases(in)
		if err != nil {
			return
		}
		b, err := a.encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseAliases(b); err != nil || !maps.Equal(again, a) {
			t.Fatalf("%q parses as %v, and again as %v, %v", in, a, again, err)
		}
	})
}
