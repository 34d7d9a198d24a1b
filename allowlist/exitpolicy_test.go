package allowlist

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// accepts evaluates an exit policy as a reader of it would.
func accepts(rules []Rule, addr netip.Addr, port uint16) bool {
	for _, r := range rules {
		if port < r.First || port > r.Last {
			continue
		}
		switch r.Pattern {
		case "*":
			return r.Accept
		case "*4":
			if addr.Is4() {
				return r.Accept
			}
		case "*6":
			if addr.Is6() {
				return r.Accept
			}
		default:
			if netip.MustParsePrefix(r.Pattern).Contains(addr) {
				return r.Accept
			}
		}
	}
	return false
}

// For lines about addresses the exported policy says what the list does.
func TestExitPolicyIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawList(t, false)
		rules := l.ExitPolicy()
		addr, port := drawAddr(t), drawPort(t)
		if got, want := accepts(rules, addr, port), l.Addr("", addr, port) == nil; got != want {
			t.Fatalf("%v %d: policy says %v, list says %v\nlist:\n%spolicy: %+v", addr, port, got, want, l, rules)
		}
	})
}

func TestExitPolicyText(t *testing.T) {
	l := mustParse(t, "deny bad.org\nallow 93.184.216.34:443\nallow [2001:500::1]:20-30\nallow example.org")
	want := []Rule{
		{true, "93.184.216.34/32", 443, 443},
		{true, "2001:500::1/128", 20, 24},
		{true, "2001:500::1/128", 26, 30},
		{false, "*", 1, 65535},
	}
	if got := l.ExitPolicy(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// socks.md §7.3: "a mask of 0 is written as `*4` / `*6`; IPv6 is written without brackets".
func TestExitPolicyWritesNymsForms(t *testing.T) {
	var text strings.Builder
	for _, r := range mustParse(t, "deny 0.0.0.0/0:80\ndeny [::]/0:80\nallow [fc00::]/7:443").ExitPolicy() {
		fmt.Fprintln(&text, r.Pattern)
	}
	for _, want := range []string{"*4\n", "*6\n", "fc00::/7\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if strings.ContainsAny(text.String(), "[]") || strings.Contains(text.String(), "/0\n") {
		t.Errorf("brackets or a mask of 0 in\n%s", &text)
	}
}

// A policy that was exported can be read back as lines.
func TestExitPolicyParses(t *testing.T) {
	l := mustParse(t, "allow *:80,443\nallow 10.0.0.0/8\ndeny *6")
	var text strings.Builder
	for _, r := range l.ExitPolicy() {
		action := "reject"
		if r.Accept {
			action = "accept"
		}
		fmt.Fprintf(&text, "ExitPolicy %s %s:%d-%d\n", action, r.Pattern, r.First, r.Last)
	}
	again := mustParse(t, text.String())
	for _, tt := range []struct {
		addr string
		port uint16
	}{{"8.8.8.8", 443}, {"8.8.8.8", 81}, {"10.1.2.3", 9}, {"127.0.0.1", 80}, {"2606::1", 80}} {
		addr := netip.MustParseAddr(tt.addr)
		if got, want := again.Addr("", addr, tt.port) == nil, l.Addr("", addr, tt.port) == nil; got != want {
			t.Errorf("%v: got %v, want %v", tt, got, want)
		}
	}
}
