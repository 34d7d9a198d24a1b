package allowlist

import (
	"strings"
	"testing"
)

func TestParsePlainestForm(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "",
		"  \t # only a comment":               "",
		"example.org":                         "allow example.org\n",
		"Example.ORG.:443":                    "allow example.org:443\n",
		"Allow *.Example.org:80,443":          "allow *.example.org:80,443\n",
		"deny *:*":                            "deny *\n",
		"deny 10.0.0.0/8:1-65535":             "deny 10.0.0.0/8\n",
		"192.0.43.7/32":                       "allow 192.0.43.7\n",
		"[2001:500:0::1]:443":                 "allow [2001:500::1]:443\n",
		"[2001:500::]/32:8000-8999":           "allow [2001:500::]/32:8000-8999\n",
		"2001:500::/32":                       "allow [2001:500::]/32\n",
		"2001:500::/32:443":                   "allow [2001:500::]/32:443\n",
		"[2001:500::1]/128":                   "allow [2001:500::1]\n",
		"*4:443":                              "allow *4:443\n",
		"*6":                                  "allow *6\n",
		"allow\ta.org\r":                      "allow a.org\n",
		"ExitPolicy accept *:443":             "allow *:443\n",
		"exitpolicy REJECT 1.2.3.4:*":         "deny 1.2.3.4\n",
		"ExitPolicy reject6 [fe80::]/10:1-99": "deny [fe80::]/10:1-99\n",
		"ExitPolicy accept6 2001:500::7:443":  "allow [2001:500::7]:443\n",
		"ExitPolicy accept 10.1.2.3/8:0-80":   "allow 10.0.0.0/8:1-80\n",
		"ExitPolicy accept *:0":               "",
		"ExitPolicy accept *4:80 # web":       "allow *4:80\n",
	} {
		l, err := Parse(strings.NewReader(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if got := l.String(); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestParseErrorsHelp(t *testing.T) {
	for in, want := range map[string]string{
		"a.org\n\nalow b.org":          `line 3: unknown action "alow", did you mean "allow"?`,
		"accept a.org":                 `did you mean "allow"?`,
		"block a.org":                  `did you mean "deny"?`,
		"frobnicate a.org":             `a line begins with allow, deny or ExitPolicy`,
		"accept":                       `did you mean "allow" and a host?`,
		"allow":                        `allow what?`,
		"allow a.org 443":              `did you mean "a.org:443"?`,
		"allow a.org b.org c.org":      `one host a line, found 3 words`,
		"https://a.org/":               `is a URL, write its host and port`,
		"a.org/path":                   `paths cannot be allowed`,
		"a.org:https":                  `port "https" is no number`,
		"a.org:":                       `a port is missing`,
		"a.org:80,":                    `a port is missing`,
		"a.org:0":                      `did you mean *?`,
		"a.org:65536":                  `no number from 1 to 65535`,
		"a.org:+80":                    `no number from 1 to 65535`,
		"a.org:080":                    `no number from 1 to 65535`,
		"a.org:443-80":                 `did you mean 80-443?`,
		":443":                         `a host is missing`,
		".a.org":                       `did you mean "*.a.org"?`,
		"foo*.org":                     `a star stands alone`,
		"*.*.org":                      `a star stands alone`,
		"*/8":                          `* carries no mask`,
		"printer":                      `single label`,
		"nas.local":                    `never looked up`,
		"*.onion":                      `never looked up`,
		"127.1":                        `write all four numbers`,
		"*.0x7f":                       `write all four numbers`,
		"bücher.example":               `xn-- form`,
		"a_b!.org":                     `is no host name`,
		"10.1.2.3/8":                   `did you mean 10.0.0.0/8?`,
		"10.0.0.0/33":                  `no number from 0 to 32`,
		"10.0.0.0/08":                  `no number from 0 to 32`,
		"2001:500::1":                  `stands in brackets`,
		"2001:500::1:443":              `stands in brackets`,
		"[2001:500::1":                 `lacks its closing bracket`,
		"[2001:500::/32]":              `the mask follows them`,
		"[2001:500::1]443":             `the mask follows them`,
		"[10.0.0.1]":                   `did you mean 10.0.0.1?`,
		"[a.org]:80":                   `is no IPv6 address`,
		"[::ffff:10.0.0.1]":            `did you mean 10.0.0.1?`,
		"[fe80::1%eth0]":               `has a zone`,
		"ExitPolicy":                   `has the form`,
		"ExitPolicy allow *:80":        `says accept or reject`,
		"ExitPolicy acept *:80":        `did you mean accept or reject?`,
		"ExitPolicy accept *":          `did you mean "*:*"?`,
		"ExitPolicy accept a.org:443":  `write allow a.org:443`,
		strings.Repeat("a", 1<<17):     `line 1: longer than`,
		strings.Repeat("# a\n", 2<<20): `longer than 4194304 bytes`,
	} {
		_, err := Parse(strings.NewReader(in))
		if err == nil {
			t.Errorf("%.40q parses", in)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %q, want %q in it", in, err, want)
		}
	}
}

func TestParseCapsRules(t *testing.T) {
	if _, err := Parse(strings.NewReader(strings.Repeat("a.org\n", maxLines+1))); err == nil {
		t.Errorf("%d rules parse", maxLines+1)
	}
}

func TestParseFlags(t *testing.T) {
	l, err := ParseFlags([]string{"example.org:443", "deny *", ""})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.String(), "allow example.org:443\ndeny *\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := ParseFlags([]string{"a.org", "b"}); err == nil || !strings.Contains(err.Error(), "rule 2:") {
		t.Errorf("got %v, want an error about rule 2", err)
	}
	if _, err := ParseFlags([]string{"deny a.org\nallow *"}); err == nil {
		t.Error("a rule of two lines parses")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range append(append(samplePatterns, sampleNames...),
		"deny a.org:80,443 # x", "ExitPolicy accept6 [fe80::]/10:0-9", "ExitPolicy accept 1.2.3.4/0:*", "2001:500::/32:443", "a.org:1-65535,80", "[::1]/128:*") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		l, err := Parse(strings.NewReader(in))
		if err != nil {
			return
		}
		text := l.String()
		again, err := Parse(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%q parses as %q, which does not: %v", in, text, err)
		}
		if got := again.String(); got != text {
			t.Fatalf("%q parses as %q, then as %q", in, text, got)
		}
	})
}

// No host, however odd, is both an address for some parsers and a name here.
func FuzzName(f *testing.F) {
	for _, s := range []string{"example.org", "127.1", "0x7f.1", "::1", "a.org.", "1.2.3.4."} {
		f.Add(s)
	}
	open, _ := ParseFlags([]string{"*"})
	f.Fuzz(func(t *testing.T, host string) {
		if open.Name(host, 443) != nil {
			return
		}
		name, addr, why := canonical(host)
		if why != 0 || (name == "") != addr.IsValid() {
			t.Fatalf("%q is allowed as name %q, address %v, reason %v", host, name, addr, why)
		}
		if again, _, _ := canonical(name); addr.IsValid() == false && again != name {
			t.Fatalf("%q becomes %q, then %q", host, name, again)
		}
	})
}
