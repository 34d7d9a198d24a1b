package allowlist

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustParse(t *testing.T, text string) *List {
	t.Helper()
	l, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// reason is the Reason of err; zero if err is nil.
func reason(t *testing.T, err error) Reason {
	t.Helper()
	if err == nil {
		return 0
	}
	var denied *DeniedError
	if !errors.As(err, &denied) {
		t.Fatalf("got %v, want a DeniedError", err)
	}
	return denied.Reason
}

func TestFirstMatchWins(t *testing.T) {
	l := mustParse(t, `
# a comment
deny bad.example.org          # and another
allow *.example.org:443
deny  192.0.43.66
ALLOW 192.0.43.0/24:80,443,8000-8999
example.net:70
`)
	for _, tt := range []struct {
		host string
		addr string
		port uint16
		want Reason
	}{
		{"bad.example.org", "93.184.216.34", 443, ReasonLine},
		{"www.example.org", "93.184.216.34", 443, 0},
		{"www.example.org", "93.184.216.34", 80, ReasonNoLine},
		{"a.b.example.org", "93.184.216.34", 443, 0},
		{"example.org", "93.184.216.34", 443, ReasonNoLine},
		{"other.test", "192.0.43.7", 8500, 0},
		{"other.test", "192.0.43.7", 9000, ReasonNoLine},
		{"other.test", "192.0.43.66", 80, ReasonLine},
		{"", "192.0.43.7", 80, 0},
		{"example.net", "93.184.216.34", 70, 0},
	} {
		t.Run(fmt.Sprintf("%s_%s_%d", tt.host, tt.addr, tt.port), func(t *testing.T) {
			got := reason(t, l.Addr(tt.host, netip.MustParseAddr(tt.addr), tt.port))
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A name that no line could allow is never looked up.
func TestNameBeforeLookUp(t *testing.T) {
	for _, tt := range []struct {
		name, list, host string
		port             uint16
		want             Reason
	}{
		{"empty list", "", "example.org", 443, ReasonNoLine},
		{"exact", "allow example.org", "example.org", 443, 0},
		{"exact, other port", "allow example.org:80", "example.org", 443, ReasonNoLine},
		{"denied before", "deny example.org\nallow *", "example.org", 443, ReasonLine},
		{"denied after", "allow *\ndeny example.org", "example.org", 443, 0},
		{"an address line may decide", "allow 192.0.43.0/24", "example.org", 443, 0},
		{"an address line for another port", "allow 192.0.43.0/24:80", "example.org", 443, ReasonNoLine},
		{"deny addresses, allow all", "deny 192.0.43.0/24\nallow *", "example.org", 443, 0},
		{"deny all first", "deny *\nallow *", "example.org", 443, ReasonLine},
		{"deny IPv4, allow IPv6", "deny *4\nallow *6", "example.org", 443, 0},
		{"an address is decided at once", "allow 192.0.43.7", "192.0.43.8", 443, ReasonNoLine},
		{"an allowed address", "allow 192.0.43.7", "192.0.43.7", 443, 0},
		{"an IPv6 address", "allow [2001:500::]/32", "2001:500::7", 443, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := reason(t, mustParse(t, tt.list).Name(tt.host, tt.port)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAllowPicksTheQuestion(t *testing.T) {
	l := mustParse(t, "deny 192.0.43.7\nallow example.org")
	if err := l.Allow("example.org", netip.Addr{}, 443); err != nil {
		t.Errorf("before look-up: %v", err)
	}
	if got := reason(t, l.Allow("example.org", netip.MustParseAddr("192.0.43.7"), 443)); got != ReasonLine {
		t.Errorf("after look-up: got %q, want %q", got, ReasonLine)
	}
}

// hardening.md H30: every range refused "unless a line of the allowlist opens the range".
// hardening.md H30: "the metadata services of clouds, wherever they are"
func TestH30Metadata(t *testing.T) {
	wide := mustParse(t, "allow *\nallow 0.0.0.0/0\nallow [::]/0\nallow 168.63.129.0/24\nallow 192.80.8.0/24")
	for provider, addrs := range map[string][]string{
		"AWS":           {"169.254.169.254", "169.254.170.2", "fd00:ec2::254"},
		"Google":        {"169.254.169.254", "fd20:ce::254"},
		"Azure":         {"169.254.169.254", "168.63.129.16", "::ffff:168.63.129.16"},
		"Oracle":        {"169.254.169.254", "192.0.0.192"},
		"Alibaba":       {"100.100.100.200"},
		"Tencent":       {"169.254.0.23"},
		"Equinix Metal": {"192.80.8.124"},
		"Scaleway":      {"169.254.42.42", "fd00:42::42"},
		"Hetzner":       {"169.254.169.254"},
		"OpenStack":     {"169.254.169.254", "fe80::a9fe:a9fe"},
		"DigitalOcean":  {"169.254.169.254"},
	} {
		for _, a := range addrs {
			if got := reason(t, wide.Addr("example.org", netip.MustParseAddr(a), 80)); got != ReasonSpecial {
				t.Errorf("%s at %s: got %q, want %q", provider, a, got, ReasonSpecial)
			}
		}
	}
	public := netip.MustParseAddr("93.184.216.34")
	all := mustParse(t, "allow *\nallow *.internal\nallow *.platformequinix.com\nallow 93.184.216.0/24")
	for _, name := range []string{"metadata.google.internal", "Metadata.Google.Internal.", "metadata.goog", "instance-data.ec2.internal", "metadata.platformequinix.com"} {
		if got := reason(t, all.Name(name, 80)); got != ReasonSpecial {
			t.Errorf("%s: got %q, want %q", name, got, ReasonSpecial)
		}
		if got := reason(t, all.Addr(name, public, 80)); got != ReasonSpecial {
			t.Errorf("%s with a public address: got %q, want %q", name, got, ReasonSpecial)
		}
	}
	own := mustParse(t, "allow metadata.goog:80")
	if err := own.Name("metadata.goog", 80); err != nil {
		t.Errorf("named: %v", err)
	}
	if err := own.Addr("metadata.goog", public, 80); err != nil {
		t.Errorf("named, after a look-up: %v", err)
	}
	if err := wide.Addr("", netip.MustParseAddr("168.63.129.17"), 80); err != nil {
		t.Errorf("the neighbour of a metadata service: %v", err)
	}
	if err := mustParse(t, "allow 168.63.129.16:80").Addr("", netip.MustParseAddr("168.63.129.16"), 80); err != nil {
		t.Errorf("named: %v", err)
	}
}

func TestH30SpecialRanges(t *testing.T) {
	wide := mustParse(t, "allow *\nallow *4\nallow *6\nallow 0.0.0.0/0\nallow [::]/0\nallow example.org\nallow 0.0.0.0/1\nallow [2000::]/3")
	ranges := []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48",
		"100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
		"200::/7", "1000::/4", "4000::/3", "5f00::/16", "8000::/3", "a000::/3", "c000::/3", "e000::/5", "f000::/6", "fa00::/7", "fe00::/9", // not given out
	}
	for _, text := range ranges {
		p := netip.MustParsePrefix(text)
		for _, addr := range []netip.Addr{p.Addr(), p.Addr().Next(), last(p)} {
			if got := reason(t, wide.Addr("example.org", addr, 443)); got != ReasonSpecial {
				t.Errorf("%v with wide lines: got %q, want %q", addr, got, ReasonSpecial)
			}
			host := "allow " + (&pattern{kind: patPrefix, prefix: netip.PrefixFrom(addr, addr.BitLen())}).String()
			if err := mustParse(t, host).Addr("example.org", addr, 443); err != nil {
				t.Errorf("%v with a line that names it: %v", addr, err)
			}
			block := "allow *\nallow " + (&pattern{kind: patPrefix, prefix: p}).String()
			if err := mustParse(t, block).Addr("", addr, 443); err != nil {
				t.Errorf("%v with a line that names its range: %v", addr, err)
			}
		}
	}
}

// last gives the last address of p.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// hardening.md H30: "Refused after unmapping", "::ffff/96 of refused IPv4", "zoned addresses".
func TestH30MappedAndZoned(t *testing.T) {
	open := mustParse(t, "allow *")
	for _, tt := range []struct {
		addr string
		want Reason
	}{
		{"::ffff:127.0.0.1", ReasonSpecial},
		{"::ffff:10.1.2.3", ReasonSpecial},
		{"::ffff:93.184.216.34", 0},
		{"fe80::1%eth0", ReasonSpecial},
		{"2606:2800::1%eth0", ReasonSpecial},
		{"64:ff9b::7f00:1", ReasonSpecial},
		{"2002:7f00:1::", ReasonSpecial},
		{"::127.0.0.1", ReasonSpecial},
		{"::ffff:0:127.0.0.1", ReasonSpecial},
	} {
		if got := reason(t, open.Addr("example.org", netip.MustParseAddr(tt.addr), 443)); got != tt.want {
			t.Errorf("%s after look-up: got %q, want %q", tt.addr, got, tt.want)
		}
		if got := reason(t, open.Name(tt.addr, 443)); got != tt.want {
			t.Errorf("%s as a host: got %q, want %q", tt.addr, got, tt.want)
		}
	}
	if err := mustParse(t, "allow 127.0.0.1:80").Addr("", netip.MustParseAddr("::ffff:127.0.0.1"), 80); err != nil {
		t.Errorf("mapped address of an opened one: %v", err)
	}
}

// A line "allow printer.test" alone never opens 127.0.0.1.
func TestH30NameAloneOpensNoRange(t *testing.T) {
	loop := netip.MustParseAddr("127.0.0.1")
	l := mustParse(t, "allow printer.test")
	if err := l.Name("printer.test", 631); err != nil {
		t.Errorf("before look-up: %v", err)
	}
	if got := reason(t, l.Addr("printer.test", loop, 631)); got != ReasonSpecial {
		t.Errorf("got %q, want %q", got, ReasonSpecial)
	}
	l = mustParse(t, "allow printer.test\nallow 127.0.0.1:631")
	if err := l.Addr("printer.test", loop, 631); err != nil {
		t.Errorf("with a line for the address: %v", err)
	}
	if got := reason(t, l.Addr("printer.test", loop, 632)); got != ReasonSpecial {
		t.Errorf("another port: got %q, want %q", got, ReasonSpecial)
	}
}

// hardening.md H30: "the host's own addresses, every address of the topology".
func TestH30GuardedAddresses(t *testing.T) {
	own := netip.MustParseAddr("93.184.216.34")
	guarded := func(a netip.Addr) bool { return a == own }
	l := mustParse(t, "allow *\nallow 93.184.216.0/24").Guard(guarded)
	if got := reason(t, l.Addr("example.org", own, 443)); got != ReasonSpecial {
		t.Errorf("own address: got %q, want %q", got, ReasonSpecial)
	}
	if got := reason(t, l.Name("::ffff:93.184.216.34", 443)); got != ReasonSpecial {
		t.Errorf("own address, mapped: got %q, want %q", got, ReasonSpecial)
	}
	if err := l.Addr("example.org", own.Next(), 443); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	named := mustParse(t, "allow 93.184.216.34:443").Guard(guarded)
	if err := named.Addr("example.org", own, 443); err != nil {
		t.Errorf("named: %v", err)
	}
}

// hardening.md H30: "port 0".
func TestH30PortZero(t *testing.T) {
	l := mustParse(t, "allow *\nallow 93.184.216.34\nExitPolicy accept *:0\nExitPolicy accept *:0-9")
	if got := reason(t, l.Name("example.org", 0)); got != ReasonPort {
		t.Errorf("name: got %q, want %q", got, ReasonPort)
	}
	if got := reason(t, l.Addr("", netip.MustParseAddr("93.184.216.34"), 0)); got != ReasonPort {
		t.Errorf("address: got %q, want %q", got, ReasonPort)
	}
}

// hardening.md H31: "Names are absolute: … no `.local`, `.onion`, single labels,
// and no numbers in disguise (`127.1`, `0x7f.1`, `017700000001`)."
func TestH31Names(t *testing.T) {
	l := mustParse(t, "allow *")
	long := strings.Repeat("a", 63)
	for _, tt := range []struct {
		host string
		want Reason
	}{
		{"example.org", 0},
		{"EXAMPLE.org.", 0},
		{"_dmarc.example.org", 0},
		{"xn--bcher-kva.example", 0},
		{"r3---sn.example.org", 0},
		{long + "." + long + "." + long + "." + strings.Repeat("a", 61), 0},
		{long + "." + long + "." + long + "." + strings.Repeat("a", 62), ReasonName},
		{long + "a.org", ReasonName},
		{"", ReasonName},
		{".", ReasonName},
		{"example.org..", ReasonName},
		{".example.org", ReasonName},
		{"a..example.org", ReasonName},
		{"example.org\x00.evil.org", ReasonName},
		{"exa mple.org", ReasonName},
		{"example.org:80", ReasonName},
		{"bücher.example", ReasonName},
		{"-a.example.org", 0}, // DNS has such names
		{"a-.example.org", 0},
		{"[::1]", ReasonName},
		{"printer", ReasonLocal},
		{"localhost", ReasonLocal},
		{"localhost.", ReasonLocal},
		{"a.localhost", ReasonLocal},
		{"nas.local", ReasonLocal},
		{"NAS.LOCAL.", ReasonLocal},
		{"abc.onion", ReasonLocal},
		{"x.invalid", ReasonLocal},
		{"127.1", ReasonNumber},
		{"0x7f.1", ReasonNumber},
		{"017700000001", ReasonNumber},
		{"2130706433", ReasonNumber},
		{"0x7f000001", ReasonNumber},
		{"127.0.0.0x1", ReasonNumber},
		{"1.0x", ReasonNumber},
		{"0X7F.0x1.", ReasonNumber},
		{"010.0.0.1", ReasonNumber},
		{"1.2.3.4.5", ReasonNumber},
		{"example.1", ReasonNumber},
		{"256.1.1.1", ReasonNumber},
		{"127.0.0.1", ReasonSpecial},
		{"127.0.0.1.", ReasonSpecial},
		{"::1", ReasonSpecial},
		{"93.184.216.34.", 0},
	} {
		if got := reason(t, l.Name(tt.host, 443)); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.host, got, tt.want)
		}
		addr := netip.MustParseAddr("93.184.216.34")
		if tt.want != 0 && tt.want != ReasonSpecial && tt.host != "" {
			if got := reason(t, l.Addr(tt.host, addr, 443)); got != tt.want {
				t.Errorf("%q with a public address: got %q, want %q", tt.host, got, tt.want)
			}
		}
	}
}

// hardening.md H31: "Case and a trailing dot do not matter."
func TestH31CaseAndTrailingDot(t *testing.T) {
	for _, rule := range []string{"example.org", "EXAMPLE.ORG", "Example.org.", "*.ORG.", "*.org"} {
		l := mustParse(t, "allow "+rule)
		for _, host := range []string{"example.org", "example.org.", "eXaMpLe.OrG", "EXAMPLE.ORG."} {
			if err := l.Name(host, 443); err != nil {
				t.Errorf("rule %q, host %q: %v", rule, host, err)
			}
		}
	}
	if got := reason(t, mustParse(t, "deny Example.Org.\nallow *").Name("eXample.org", 443)); got != ReasonLine {
		t.Errorf("deny: got %q, want %q", got, ReasonLine)
	}
}

// hardening.md H31: "`*.a.org` never matches `evila.org`."
func TestH31SuffixKeepsLabels(t *testing.T) {
	l := mustParse(t, "allow *.a.org")
	for host, want := range map[string]Reason{
		"evila.org": ReasonNoLine, "a.org": ReasonNoLine, "a.org.evil.org": ReasonNoLine,
		"x.a.org": 0, "x.y.a.org": 0,
	} {
		if got := reason(t, l.Name(host, 443)); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}

// hardening.md H31: "Port 25 and Tor's default reject ports are denied by default."
func TestH31PortsClosedByDefault(t *testing.T) {
	closed := []uint16{25, 119, 135, 137, 139, 445, 563, 1214, 4661, 4666, 6346, 6400, 6429, 6699, 6881, 6999}
	wide := mustParse(t, "allow *\nallow *:*\nallow *:1-65535\nallow *:20-30,130-140\nallow example.org\nallow 93.184.216.34")
	addr := netip.MustParseAddr("93.184.216.34")
	for _, port := range closed {
		if got := reason(t, wide.Name("example.org", port)); got != ReasonPort {
			t.Errorf("port %d of a name: got %q, want %q", port, got, ReasonPort)
		}
		if got := reason(t, wide.Addr("example.org", addr, port)); got != ReasonPort {
			t.Errorf("port %d of an address: got %q, want %q", port, got, ReasonPort)
		}
		named := mustParse(t, fmt.Sprintf("allow *:%d", port))
		if err := named.Addr("example.org", addr, port); err != nil {
			t.Errorf("port %d, named: %v", port, err)
		}
		if got := reason(t, mustParse(t, fmt.Sprintf("deny *\nallow *:%d", port)).Name("example.org", port)); got != ReasonLine {
			t.Errorf("port %d, denied by a wide line: got %q, want %q", port, got, ReasonLine)
		}
	}
	for _, port := range []uint16{1, 24, 26, 80, 134, 140, 443, 6345, 6430, 6880, 7000, 65535} {
		if err := wide.Addr("example.org", addr, port); err != nil {
			t.Errorf("port %d: %v", port, err)
		}
	}
	if err := mustParse(t, "allow *:6881-6889").Name("example.org", 6885); err != nil {
		t.Errorf("a range inside a closed block: %v", err)
	}
}

// Errors are logged by others: none may name what was asked for.
func TestDeniedErrorNamesNoHost(t *testing.T) {
	l := mustParse(t, "deny secret.example.org\nallow 192.0.43.0/24")
	for _, err := range []error{
		l.Name("secret.example.org", 4711), l.Name("secret", 4711), l.Name("secret.0x7f", 4711),
		l.Addr("secret.example.net", netip.MustParseAddr("8.8.8.8"), 4711), l.Name("8.8.8.8", 4711),
	} {
		if err == nil {
			t.Fatal("allowed")
		}
		for _, word := range []string{"secret", "8.8", "4711", "0x7f"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%q names %q", err, word)
			}
		}
	}
}

func TestEmptyAndOpen(t *testing.T) {
	for _, tt := range []struct {
		text        string
		empty, open bool
	}{
		{"", true, false},
		{"deny *", true, false},
		{"allow example.org", false, false},
		{"allow *", false, true},
		{"allow *:443", false, false},
		{"deny 192.0.43.7\nallow *", false, false},
		{"allow example.org\nallow *\ndeny *", false, true},
		{"ExitPolicy accept *:*", false, true},
	} {
		l := mustParse(t, tt.text)
		if l.Empty() != tt.empty || l.Open() != tt.open {
			t.Errorf("%q: got empty %v, open %v; want %v, %v", tt.text, l.Empty(), l.Open(), tt.empty, tt.open)
		}
	}
	if got := reason(t, new(List).Name("example.org", 443)); got != ReasonNoLine {
		t.Errorf("the zero List: got %q, want %q", got, ReasonNoLine)
	}
}

func TestDescribe(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "nothing is allowed",
		"allow *":                 "every public host is allowed, save on ports that are closed by default",
		"a.org\n*.b.org\n8.8.8.8": "2 names and 1 address or range allowed",
		"deny x.org\nallow *4:443\nallow 10.0.0.0/8": "every public host is allowed on some ports; besides 0 names and 1 address or range; " +
			"1 line denies; 1 line opens special ranges such as private networks",
	} {
		if got := mustParse(t, text).Describe(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSpecialRangesDoNotOverlap(t *testing.T) {
	for i, a := range special {
		for _, b := range special[i+1:] {
			if a.Overlaps(b) {
				t.Errorf("%v overlaps %v", a, b)
			}
		}
		if a != a.Masked() {
			t.Errorf("%v has bits beyond its mask", a)
		}
	}
}

// Whatever is allowed after look-up was not refused before it.
func TestNameNeverRefusesWhatAddrAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawList(t, true)
		host := rapid.SampledFrom([]string{"example.org", "www.example.org", "example.net", "a.test"}).Draw(t, "host")
		addr, port := drawAddr(t), drawPort(t)
		if l.Addr(host, addr, port) == nil && l.Name(host, port) != nil {
			t.Fatalf("%s %v %d is allowed after look-up, yet refused before by\n%s", host, addr, port, l)
		}
	})
}

var (
	samplePatterns = []string{"*", "*4", "*6", "93.184.216.34", "93.184.0.0/16", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "0.0.0.0/0", "8.0.0.0/5", "127.0.0.1",
		"[::1]", "[2001:500::]/32", "[2001:db8::]/32", "[fc00::]/6", "[::]/0", "[64:ff9b::]/96"}
	sampleNames = []string{"example.org", "*.example.org", "*.org", "example.net"}
	samplePorts = []string{"", ":443", ":25", ":20-30", ":80,443", ":135-139", ":1-65535,25", ":6881-7000", ":65535"}
)

func drawList(t *rapid.T, names bool) *List {
	patterns := samplePatterns
	if names {
		patterns = append(patterns[:len(patterns):len(patterns)], sampleNames...)
	}
	rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"allow ", "allow ", "deny "}).Draw(t, "action") +
			rapid.SampledFrom(patterns).Draw(t, "pattern") + rapid.SampledFrom(samplePorts).Draw(t, "ports")
	}), 0, 6).Draw(t, "rules")
	l, err := ParseFlags(rules)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func drawAddr(t *rapid.T) netip.Addr {
	return netip.MustParseAddr(rapid.SampledFrom([]string{"93.184.216.34", "93.185.0.1", "10.1.2.3", "10.1.2.4", "10.2.0.0", "8.8.8.8", "12.0.0.1", "127.0.0.1",
		"::1", "2001:500::1", "2001:db8::1", "fc00::1", "2606::1", "64:ff9b::1", "255.255.255.255"}).Draw(t, "addr"))
}

func drawPort(t *rapid.T) uint16 {
	return rapid.SampledFrom([]uint16{1, 24, 25, 26, 80, 135, 139, 443, 6880, 6881, 6999, 7000, 65535}).Draw(t, "port")
}
