package proxy

import (
	"strings"
	"testing"
)

func TestHostName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, tt := range []struct{ in, want string }{
		{"example.org", "example.org"},
		{"Example.ORG.", "Example.ORG."},
		{"printer", "printer"},
		{"_dmarc.example.org", "_dmarc.example.org"},
		{"r3---sn-abc.example.org", "r3---sn-abc.example.org"},
		{"-a.example.org", "-a.example.org"}, // DNS has such names
		{"a-.example.org", "a-.example.org"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example", "xn--bcher-kva.example"},
		{"straße.example", "xn--strae-oqa.example"},
		{"www。example。org", "www.example.org"}, // U+3002
		{"www．example｡org", "www.example.org"}, // U+FF0E, U+FF61
		{"点看.example.", "xn--3pxu8k.example."},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{long + "." + long + "." + long + "." + strings.Repeat("a", 61), long + "." + long + "." + long + "." + strings.Repeat("a", 61)},

		{"", ""},
		{".", ""},
		{"..", ""},
		{"a..org", ""},
		{".example.org", ""},
		{"example.org..", ""},
		{long + "a.org", ""},
		{long + "." + long + "." + long + "." + strings.Repeat("a", 62), ""},
		{"exa mple.org", ""},
		{"example.org\x00", ""},
		{"a/b.org", ""},
		{"bü cher.example", ""},
		{"ab\u202e.example", ""}, // direction of writing
		{"\xff\xfe.example", ""}, // no UTF-8
	} {
		got, ok := HostName(tt.in)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: got %q, %v, want %q", tt.in, got, ok, tt.want)
		}
	}
}

func FuzzHostName(f *testing.F) {
	for _, s := range []string{"example.org", "bücher.example", "www。example。org", "a..b", "xn--a", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, ok := HostName(in)
		if !ok {
			return
		}
		if again, ok := HostName(got); !ok || again != got || !isASCII(got) || len(got) > maxHostName+1 {
			t.Fatalf("%q becomes %q, and that %q, %v", in, got, again, ok)
		}
	})
}
