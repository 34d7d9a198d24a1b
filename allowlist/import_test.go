package allowlist

import (
	"net/netip"
	"strings"
	"testing"
)

// closedFirst is how the rules of a torrc begin that does not say otherwise.
const closedFirst = "deny 0.0.0.0/8\ndeny 10.0.0.0/8\ndeny 127.0.0.0/8\ndeny 169.254.0.0/16\ndeny 172.16.0.0/12\ndeny 192.168.0.0/16\n" +
	"deny [::1]\ndeny [::]/8\ndeny [fc00::]/7\ndeny [fe80::]/10\ndeny [fec0::]/10\ndeny [ff00::]/8\n"

func TestImport(t *testing.T) {
	ofTorrc := []string{"denied first", "IPv6Exit 1"}
	for _, tt := range []struct {
		name, text string
		kind       Kind
		want       string
		notes      []string // a part of each
	}{
		{"Nym's list", "// Copyright 2020 - Example\n// SPDX-License-Identifier: Apache-2.0\n\nblockstream.info\nelectrum.org # a wallet\n", KindNym,
			"allow blockstream.info\nallow *.blockstream.info\nallow electrum.org\nallow *.electrum.org\n", nil},
		{"its addresses", "1.2.3.4\n1.2.3.4/24\n2001:67c:4e8::1\n2001:67c:4e8::/48\nexample.org", KindNym,
			"allow 1.2.3.4\nallow 1.2.3.0/24\nallow [2001:67c:4e8::1]\nallow [2001:67c:4e8::]/48\nallow example.org\nallow *.example.org\n", []string{"line 2: 1.2.3.4/24 is read as 1.2.3.0/24"}},
		{"one bare IPv6 address", "2001:67c:4e8::1", KindNym, "allow [2001:67c:4e8::1]\n", nil},
		{"a byte order mark", "\xef\xbb\xbfexample.org:443\nexample.net\n", KindOwn, "allow example.org:443\nallow example.net\n", nil},
		{"the same before a comment", "\xef\xbb\xbf// list\nexample.net\n", KindNym, "allow example.net\nallow *.example.net\n", nil},
		{"ours", "deny bad.example.org\nallow *.example.org:80,443\nexample.net", KindOwn, "deny bad.example.org\nallow *.example.org:80,443\nallow example.net\n", nil},
		{"torrc", "ExitRelay 1\nExitPolicyRejectPrivate 1\nExitPolicy accept *:443\n", KindTor, closedFirst + "allow *:443\n", ofTorrc},
		{"torrc, private ranges are its own affair", "Nickname x\nIPv6Exit 1\nExitPolicyRejectPrivate 1\nexitpolicyrejectprivate 0\nExitPolicy accept 10.1.2.3:80", KindTor,
			"allow 10.1.2.3:80\n", []string{"are opened", "line 1: Nickname"}},
		{"torrc, private ranges unsaid", "ExitPolicy accept 10.1.2.3:80, accept [::1]:80", KindTor, closedFirst + "allow 10.1.2.3:80\nallow [::1]:80\n", ofTorrc},
		{"torrc, a line that goes on", "ExitPolicy accept *:80, \\\n  accept *:443,\\ # web\nreject *:*\n", KindTor,
			closedFirst + "allow *:80\nallow *:443\ndeny *\n", ofTorrc},
		{"torrc, a line added", "+ExitPolicy accept *:80", KindTor, closedFirst + "allow *:80\n", ofTorrc},
		{"torrc, the reduced policy", "ReducedExitPolicy 1\nIPv6Exit 1", KindTor, closedFirst, []string{"denied first", "ReducedExitPolicy"}},
		{"torrc, several on a line", "ExitPolicy accept *:80, accept 1.2.3.4:443 , reject 1.2.3.0/255.255.255.0:*,reject *:*", KindTor,
			closedFirst + "allow *:80\nallow 1.2.3.4:443\ndeny 1.2.3.0/24\ndeny *\n", ofTorrc},
		{"torrc, private", "ExitPolicy reject private:*, accept *:443", KindTor,
			closedFirst + "allow *:443\n", ofTorrc},
		{"private, but for IPv6", "accept6 private:80\n", KindTor,
			"allow [::1]:80\nallow [::]/8:80\nallow [fc00::]/7:80\nallow [fe80::]/10:80\nallow [fec0::]/10:80\nallow [ff00::]/8:80\n", []string{"opens all private"}},
		{"torrc, tabs", "ExitPolicy\taccept\t*:80", KindTor, closedFirst + "allow *:80\n", ofTorrc},
		{"a directory's policy, tabs", "accept\t*:80", KindTor, "allow *:80\n", nil},
		{"torrc, no port", "ExitPolicy accept 8.8.8.8, reject *", KindTor, closedFirst + "allow 8.8.8.8\ndeny *\n", ofTorrc},
		{"a directory's policy", "reject 0.0.0.0/8:*\nreject *:25\naccept6 [2001:db8::]/32:443\naccept *:*\n", KindTor,
			"deny 0.0.0.0/8\ndeny *:25\nallow [2001:db8::]/32:443\nallow *\n", nil},
		{"all IPv6", "accept6 *:443\nreject6 *:*", KindTor, "allow *6:443\ndeny *6\n", nil},
		{"an end by ExitRelay", "ExitRelay 0\nExitPolicy reject *:*", KindTor, closedFirst + "deny *\n", append(ofTorrc[:2:2], "nothing may leave")},
		{"nothing", "// nothing\n\n", KindNym, "", nil},
	} {
		im, err := Import(strings.NewReader(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := im.List.String(); got != tt.want || im.Kind != tt.kind {
			t.Errorf("%s: read as %v:\n%s\nwant %v:\n%s", tt.name, im.Kind, got, tt.kind, tt.want)
		}
		if len(im.Notes) != len(tt.notes) {
			t.Errorf("%s: notes %q, want %d", tt.name, im.Notes, len(tt.notes))
			continue
		}
		for i, part := range tt.notes {
			if !strings.Contains(im.Notes[i], part) {
				t.Errorf("%s: note %q, want %q in it", tt.name, im.Notes[i], part)
			}
		}
	}
	for text, part := range map[string]string{
		"example.org\nexam ple.org":                  "line 2",
		"ExitPolicy accept *:443\nExitPolicy accept": "line 2",
		"accept 1.2.3.0/255.0.255.0:*":               "no netmask",
		"accept *:0x50":                              "port",
		"ExitPolicy accept *:80,\\":                  "last line",
		"1.2.3.4/33":                                 "mask",
		"http://example.org/":                        "line 1",
		"\xff\xfee\x00.\x00o\x00":                    "UTF-16",
	} {
		if _, err := Import(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: got %v, want %q in it", text, err, part)
		}
	}
}

// Tor's private ranges, opened on purpose.
func TestImportPrivate(t *testing.T) {
	im, err := Import(strings.NewReader("ExitPolicyRejectPrivate 0\nExitPolicy accept private:443"))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"10.1.2.3", "127.0.0.1", "192.168.1.1", "fd00::1", "::1"} {
		if err := im.List.Addr("", netip.MustParseAddr(a), 443); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	if im.List.Addr("", netip.MustParseAddr("8.8.8.8"), 443) == nil {
		t.Error("a public address is open too")
	}
}

// The first line that is about an address decides in Tor's policies, also where a
// later one would open a range that is closed by default.
func TestImportKeepsPrivateClosed(t *testing.T) {
	for text, open := range map[string]bool{
		"reject private:*\naccept 10.1.2.3:80\naccept *:80":                                             false,
		"ExitPolicy accept 10.1.2.3:80":                                                                 false, // as ExitPolicyRejectPrivate is unless said
		"ExitPolicy accept 10.1.2.3:80\nExitPolicyRejectPrivate 1":                                      false,
		"ExitPolicyRejectPrivate 0\nExitPolicy accept 10.1.2.3:80":                                      true,
		"ExitPolicyRejectPrivate 0\nExitPolicy reject private:*\nExitPolicy accept 10.1.2.3:80\n# more": false,
	} {
		im, err := Import(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := im.List.Addr("", netip.MustParseAddr("10.1.2.3"), 80) == nil; got != open {
			t.Errorf("%q: 10.1.2.3 is open: %v, want %v", text, got, open)
		}
	}
}

// Where a list is refused that would be read by Import, the error says so.
func TestParseHintsAtImport(t *testing.T) {
	for _, text := range []string{
		"// Copyright\nexample.org", "2001:67c:4e8::1", "1.2.3.4/24", "ExitRelay 1", "ExitPolicy accept *:80, reject *:*",
		"ExitPolicy accept private:*", "accept *:80", "ExitPolicy reject 1.2.3.0/255.255.255.0:*", "ExitPolicy accept 8.8.8.8",
	} {
		_, err := Parse(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), "policy import") {
			t.Errorf("%q: got %v, want a hint at policy import", text, err)
		}
		if _, err := Import(strings.NewReader(text)); err != nil {
			t.Errorf("%q cannot be imported either: %v", text, err)
		}
	}
	if _, err := Parse(strings.NewReader("\xfe\xff\x00e")); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("UTF-16: got %v, want what to do", err)
	}
	if _, err := Parse(strings.NewReader("\xef\xbb\xbfexample.org:443\n")); err != nil {
		t.Errorf("a byte order mark: %v", err)
	}
}

// What was imported can be read as our own, and means the same.
func FuzzImport(f *testing.F) {
	for _, s := range []string{"// c\nexample.org", "1.2.3.4/24\n2001::1", "ExitPolicy accept *:80, reject private:*", "\xef\xbb\xbfallow *.a.org:1-2", "accept6 [2001::]/16:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		im, err := Import(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := Parse(strings.NewReader(im.List.String()))
		if err != nil || again.String() != im.List.String() {
			t.Fatalf("%q is read as\n%s\nand that is not read again: %v", text, im.List, err)
		}
	})
}
