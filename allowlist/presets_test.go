package allowlist

import (
	"net/netip"
	"strings"
	"testing"
)

// Each preset does what it is for, and opens nothing else: no port that is closed
// by default, no special range, not everything.
func TestPresets(t *testing.T) {
	uses := map[string]struct{ allowed, denied []string }{
		"web":          {[]string{"example.org:80", "example.org:443"}, []string{"example.org:22"}},
		"bitcoin":      {[]string{"seed.example.org:8333", "seed.example.org:38333"}, []string{"example.org:443"}},
		"monero":       {[]string{"node.example.org:18089", "node.example.org:38081"}, []string{"example.org:18082"}},
		"ethereum":     {[]string{"mainnet.infura.io:443", "node.example.org:8545"}, []string{"infura.io:443", "example.org:443"}},
		"electrum":     {[]string{"electrum.example.org:50002", "electrum.example.org:51002"}, []string{"example.org:443"}},
		"telegram":     {[]string{"149.154.167.51:443", "web.telegram.org:443", "2001:67c:4e8:f002::a|443"}, []string{"149.154.176.1:443", "149.154.167.51:22"}},
		"git":          {[]string{"github.com:22", "gitlab.com:443", "example.org:9418"}, []string{"example.org:22"}},
		"mail-clients": {[]string{"imap.example.org:993", "smtp.example.org:587"}, []string{"smtp.example.org:25"}},
	}
	names := Presets()
	if len(names) != len(uses) {
		t.Errorf("presets %q, want %d", names, len(uses))
	}
	for _, name := range names {
		l, err := ParseFlags([]string{"preset " + strings.ToUpper(name)})
		if err != nil || l.Open() || l.Empty() {
			t.Errorf("%s: %v, open %v, empty %v", name, err, l.Open(), l.Empty())
			continue
		}
		use := uses[name]
		for want, targets := range map[bool][]string{true: use.allowed, false: append(use.denied, "127.0.0.1:443", "10.0.0.1:8333", "example.org:6881", "example.org:25")} {
			for _, target := range targets {
				host, port := split(t, target)
				if v := l.Judge(host, netip.Addr{}, port); (v.Err == nil) != want {
					t.Errorf("%s: %s: got %v by %q, want allowed %v", name, target, v.Err, v.Rule, want)
				}
			}
		}
		text, err := PresetText(name)
		if first, _, _ := strings.Cut(text, "\n"); err != nil || !strings.HasPrefix(first, "# ") {
			t.Errorf("%s begins with %q (%v), want what it is for", name, first, err)
		}
	}
	for text, part := range map[string]string{
		"preset nosuch":      "there are bitcoin, ",
		"preset ../presets":  "there is no preset",
		"preset":             "one preset a line",
		"preset web bitcoin": "one preset a line",
	} {
		if _, err := ParseFlags([]string{text}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q in it", text, err, part)
		}
	}
}

// split parses host:port; the colon may be a bar.
func split(t *testing.T, target string) (host string, port uint16) {
	t.Helper()
	i := strings.LastIndexAny(target, ":|")
	p, err := parsePort(target[i+1:])
	if err != nil {
		t.Fatal(err)
	}
	return target[:i], p
}

// A verdict is the decision of Allow, and names the line that made it so, where
// it was written.
func TestJudge(t *testing.T) {
	file, err := Parse(strings.NewReader("# two rules\ndeny bad.example.org\nallow *.example.org:443 # a comment\npreset web\nallow 10.1.0.0/16:22\n"))
	if err != nil {
		t.Fatal(err)
	}
	flags, err := ParseFlags([]string{"allow example.net:22"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := flags.Append(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, addr string
		port       uint16
		rule, at   string
		reason     Reason
		byAddress  bool
	}{
		{"example.net", "", 22, "allow example.net:22", "rule 1", 0, true},
		{"bad.example.org", "", 443, "deny bad.example.org", "line 2", ReasonLine, false},
		{"www.example.org", "", 443, "allow *.example.org:443", "line 3", 0, true},
		{"www.example.com", "", 80, "allow *:80,443", "line 4", 0, true},
		{"www.example.com", "192.0.43.7", 80, "allow *:80,443", "line 4", 0, false},
		{"www.example.com", "10.1.2.3", 80, "", "", ReasonSpecial, false},
		{"10.1.2.3", "", 22, "allow 10.1.0.0/16:22", "line 5", 0, false},
		{"any.example.com", "", 22, "allow 10.1.0.0/16:22", "line 5", 0, true},
		{"any.example.com", "", 21, "", "", ReasonNoLine, false},
		{"printer", "", 443, "", "", ReasonLocal, false},
	} {
		var addr netip.Addr
		if tt.addr != "" {
			addr = netip.MustParseAddr(tt.addr)
		}
		v := l.Judge(tt.host, addr, tt.port)
		reason := Reason(0)
		if v.Err != nil {
			reason = v.Err.(*DeniedError).Reason
		}
		if v.Rule != tt.rule || v.At != tt.at || reason != tt.reason || v.ByAddress != tt.byAddress {
			t.Errorf("%s %s %d: got %+v (reason %v), want %+v", tt.host, tt.addr, tt.port, v, reason, tt)
		}
		if err := l.Allow(tt.host, addr, tt.port); (err == nil) != (v.Err == nil) {
			t.Errorf("%s %s %d: Allow says %v, Judge %v", tt.host, tt.addr, tt.port, err, v.Err)
		}
	}
}

func TestAppendIsBounded(t *testing.T) {
	half := &List{lines: make([]line, maxLines/2+1)}
	if _, err := half.Append(half); err == nil {
		t.Error("two lists with too many rules together were joined")
	}
	if l, err := half.Append(&List{}); err != nil || len(l.lines) != len(half.lines) {
		t.Errorf("got %v", err)
	}
}
