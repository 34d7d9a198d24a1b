package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// programs lists all configurations.
var programs = []struct {
	name string
	new  func() Config
}{
	{"mixnode", func() Config { return NewMixnode() }},
	{"gateway", func() Config { return NewGateway() }},
	{"network-requester", func() Config { return NewRequester() }},
	{"nym-socks5", func() Config { return NewSOCKS() }},
	{"nym-client", func() Config { return NewNymClient() }},
	{"broadcaster", func() Config { return NewBroadcaster() }},
	{"directory", func() Config { return NewDirectory() }},
}

func TestDefaultsAreSound(t *testing.T) {
	for _, p := range programs {
		if err := p.new().Check(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if err := p.new().Missing(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: nothing missing (%v), and nobody said where the network is", p.name, err)
		}
	}
}

// Every setting can be found by its key, its flag and its help.
func TestEverySettingIsDescribed(t *testing.T) {
	for _, p := range programs {
		flags := make(map[string]string)
		for _, s := range Settings(p.new()) {
			if s.Name == "" || s.Section == "" || s.Help == "" || s.IsBool() != (s.Arg == "") {
				t.Errorf("%s: %+v lacks something", p.name, s)
			}
			if !regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`).MatchString(s.Key()) {
				t.Errorf("%s: key %q", p.name, s.Key())
			}
			if other, ok := flags[s.Flag]; ok {
				t.Errorf("%s: --%s is %s and %s", p.name, s.Flag, other, s.Key())
			}
			flags[s.Flag] = s.Key()
		}
	}
}

func TestTemplateOfDefaultsParsesToThem(t *testing.T) {
	for _, p := range programs {
		text := Template(p.name, p.new(), p.new())
		got := reflect.New(reflect.TypeOf(p.new()).Elem()).Interface().(Config)
		// With every # before a setting removed, the file says the defaults.
		setting := regexp.MustCompile(`(?m)^# ([a-z_]+ = )`)
		if err := Parse(setting.ReplaceAll(text, []byte("$1")), got); err != nil {
			t.Fatalf("%s: %v\n%s", p.name, err, text)
		}
		// A list that is empty and one that is nil are the same to everybody.
		for _, s := range Settings(got) {
			if s.IsList() && s.value.Len() == 0 {
				s.value.SetZero()
			}
		}
		if !reflect.DeepEqual(got, p.new()) {
			t.Errorf("%s: got  %+v\nwant %+v", p.name, got, p.new())
		}
		// As it is, it changes nothing.
		got = p.new()
		if err := Parse(text, got); err != nil || !reflect.DeepEqual(got, p.new()) {
			t.Errorf("%s: got %+v, %v", p.name, got, err)
		}
		// And it shows each setting.
		for _, s := range Settings(p.new()) {
			if !regexp.MustCompile(`(?m)^(# )?` + s.Name + ` = `).Match(text) {
				t.Errorf("%s: the file does not show %s", p.name, s.Key())
			}
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") && !setting.MatchString(line) && len(line) > width+2 {
				t.Errorf("%s: long line %q", p.name, line)
			}
		}
	}
}

func TestTemplateKeepsWhatWasSet(t *testing.T) {
	c := NewRequester()
	set(t, c, "requester.allow", `example.org:443`, `*.example.net; "quoted" \ `)
	set(t, c, "client.send_every", "1m30s")
	set(t, c, "client.cover_every", "off")
	set(t, c, "network.topology", "/etc/nym/topology.json")
	text := Template("network-requester", c, NewRequester())
	got := NewRequester()
	if err := Parse(text, got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(got, c) {
		t.Errorf("got  %+v\nwant %+v\n%s", got, c, text)
	}
	if want := []string{"example.org:443", "*.example.net", `"quoted" \`}; !reflect.DeepEqual(got.Egress.Allow, want) {
		t.Errorf("allow = %q, want %q", got.Egress.Allow, want)
	}
}

func set(t *testing.T, c Config, key string, values ...string) {
	t.Helper()
	for _, s := range Settings(c) {
		if s.Key() == key {
			if err := s.Set(values...); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("there is no %s", key)
}

// What is wrong in several tables of an array is said once.
func TestUnknownKeysAreNamedOnce(t *testing.T) {
	key := toml.Key{"host", "gatways"}
	err := unknown([]toml.Key{key, {"host", "x"}, key}, []string{"host.gateways"})
	if want := "unknown key: host.gatways (did you mean host.gateways?), host.x"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestClosestInSections(t *testing.T) {
	known := []string{"registration", "registration.register", "mix.listen", "mix.announce"}
	for word, want := range map[string]string{
		"registration.registr": "registration.register",
		"registration.lsiten":  "", // a long name of a section makes no key alike
		"registration.listen":  "mix.listen",
		"mxi.listen":           "mix.listen",
		"registrtion":          "registration",
	} {
		if got, ok := Closest(word, known); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no version", "[log]\nlevel = 'info'", "there is no version; the first line must be: version = 1"},
		{"newer", "version = 2\n[unheard]\nof = 1", "use a newer program"},
		{"version 0", "version = 0", "there is no version 0"},
		{"no TOML", "version = 1\n[log\n", "expected"},
		{"twice", "version = 1\nversion = 1", "already"},
		{"a key misspelt", "version = 1\n[socks]\nlisen = '127.0.0.1:1'", "unknown key: socks.lisen (did you mean socks.listen?)"},
		{"a key in the wrong section", "version = 1\n[client]\nlisten = '127.0.0.1:1'", "client.listen (did you mean socks.listen?)"},
		{"a section misspelt", "version = 1\n[sock]\nlisten = '127.0.0.1:1'\noptimistic = true", "unknown key: sock (did you mean socks?)"},
		{"a key like no other", "version = 1\nxyzzy = 1", "unknown key: xyzzy"},
		{"two keys", "version = 1\nxyzzy = 1\nplugh = 2", "unknown key: xyzzy, plugh"},
		{"a number for a time", "version = 1\n[client]\nhop_delay = 50", `"50" is no time`},
		{"a negative time", "version = 1\n[client]\nhop_delay = '-5ms'", `"-5ms" is no time`},
		{"a text for a switch", "version = 1\n[socks]\noptimistic = 'yes'", "optimistic"},
		{"no address", "version = 1\n[socks]\nlisten = 'localhost'", "listen"},
	} {
		err := Parse([]byte(c.text), NewSOCKS())
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: an error of many lines: %q", c.name, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		program    Config
		key, value string
		want       string
	}{
		{NewMixnode(), "log.level", "inof", `(did you mean "info"?)`},
		{NewMixnode(), "log.format", "xml", "it can be auto, console, json"},
		{NewMixnode(), "network.directories", "directory.example.org", "write it like https://"},
		{NewMixnode(), "network.directories", "ftp://directory.example.org", "write it like https://"},
		{NewMixnode(), "mix.announce", "0.0.0.0:1789", "nobody can connect there"},
		{NewMixnode(), "mix.announce", "192.0.2.1:0", "nobody can connect there"},
		{NewMixnode(), "mix.announce", "[fe80::1%eth0]:1789", "zone"},
		{NewMixnode(), "mix.listen", "", "not set"},
		{NewMixnode(), "mix.max_delay", "11s", "it can be 1ms to 10s"},
		{NewMixnode(), "mix.delay_memory", "1KiB", "it can be 1MiB to 1024GiB"},
		{NewMixnode(), "registration.register", "true", "--directory URL"},
		{NewRequester(), "registration.register", "true", "--directory URL"},
		{NewGateway(), "clients.mail_age", "off", "clients.mail_age"},
		{NewGateway(), "clients.mail_per_client", "2GiB", "it can be 4KiB to 1GiB"},
		{NewGateway(), "clients.max_connections", "0", "clients.max_connections"},
		{NewGateway(), "clients.listen", "", "clients must connect somewhere"},
		{NewGateway(), "clients.acme", "true", "--clients-tls-listen"},
		{NewGateway(), "clients.tls_certificate", "gateway.pem", "--clients-tls-listen"},
		{NewGateway(), "clients.tls_listen", "0.0.0.0:9001", "clients.hostname"},
		// H34: "binding beyond loopback needs a second flag"
		{NewSOCKS(), "socks.listen", "0.0.0.0:1080", "--beyond-loopback"},
		{NewSOCKS(), "socks.listen", "[::]:1080", "--beyond-loopback"},
		{NewSOCKS(), "socks.listen", "192.0.2.1:1080", "--beyond-loopback"},
		{NewSOCKS(), "socks.requester", "somebody", "identity.encryption@gateway"},
		{NewSOCKS(), "client.send_every", "0s", "client.send_every"},
		{NewRequester(), "requester.resolver", "dns.example", "9.9.9.9:53"},
		{NewRequester(), "requester.max_streams", "-1", "requester.max_streams"},
	} {
		set(t, c.program, c.key, c.value)
		if err := c.program.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %q: %v, want %q in it", c.key, c.value, err, c.want)
		}
	}
}

// What a port with TLS needs beside itself, and what it may not have.
func TestTLSOfClients(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings [][2]string
		want     string // empty: it is sound
	}{
		{"no certificate", nil, "needs clients.tls_certificate"},
		{"no key", [][2]string{{"tls_certificate", "c.pem"}}, "needs clients.tls_certificate"},
		{"files", [][2]string{{"tls_certificate", "c.pem"}, {"tls_key", "k.pem"}}, ""},
		{"files and no plain port", [][2]string{{"listen", ""}, {"tls_certificate", "c.pem"}, {"tls_key", "k.pem"}}, ""},
		{"files and ACME", [][2]string{{"tls_certificate", "c.pem"}, {"tls_key", "k.pem"}, {"acme", "true"}}, "only one can be"},
		{"ACME", [][2]string{{"acme", "true"}}, ""},
		{"ACME that cannot ask", [][2]string{{"acme", "true"}, {"acme_listen", ""}}, "needs clients.acme_listen"},
		{"ACME by TLS", [][2]string{{"acme", "true"}, {"acme_listen", ""}, {"tls_listen", "0.0.0.0:443"}}, ""},
		{"ACME elsewhere", [][2]string{{"acme", "true"}, {"acme_directory", "https://ca.example/acme"}}, ""},
		{"ACME in the clear", [][2]string{{"acme", "true"}, {"acme_directory", "http://ca.example/acme"}}, "it begins with https://"},
		{"an address for a name", [][2]string{{"acme", "true"}, {"hostname", "203.0.113.21"}}, "clients.hostname"},
		{"a name of one label", [][2]string{{"acme", "true"}, {"hostname", "gateway"}}, "clients.hostname"},
		{"a name with a port", [][2]string{{"acme", "true"}, {"hostname", "gw.example.org:9001"}}, "clients.hostname"},
		{"a name with a dot too many", [][2]string{{"acme", "true"}, {"hostname", "gw.example.org."}}, "clients.hostname"},
	} {
		g := NewGateway()
		set(t, g, "clients.tls_listen", "0.0.0.0:9001")
		set(t, g, "clients.hostname", "gw-1.example.org")
		for _, s := range c.settings {
			set(t, g, "clients."+s[0], s[1])
		}
		switch err := g.Check(); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

func TestH34BeyondLoopbackTakesTwo(t *testing.T) {
	c := NewSOCKS()
	set(t, c, "socks.listen", "0.0.0.0:1080")
	if err := c.Check(); err == nil {
		t.Fatal("one setting was enough")
	}
	set(t, c, "socks.beyond_loopback", "true")
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	for _, loopback := range []string{"127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"} {
		c := NewSOCKS()
		set(t, c, "socks.listen", loopback)
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", loopback, err)
		}
	}
}

func TestOneSourceOfNodes(t *testing.T) {
	c := NewSOCKS()
	set(t, c, "network.directories", "https://a.example/api", "http://b.example")
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	set(t, c, "network.topology", "topology.json")
	if err := c.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "only one") {
		t.Errorf("a file and directories: %v", err)
	}
}

func TestRegistrationNeedsANetwork(t *testing.T) {
	c := NewRequester()
	set(t, c, "network.directories", "https://directory.example.org/")
	set(t, c, "registration.register", "true")
	if err := c.Check(); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "--network NAME") {
		t.Errorf("without the network's name: %v", err)
	}
	set(t, c, "network.name", "testnet")
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

func TestRequesterMayComeFromTheDirectory(t *testing.T) {
	c := NewSOCKS()
	set(t, c, "network.topology", "topology.json")
	if err := c.Missing(); err == nil || !strings.Contains(err.Error(), "--requester") {
		t.Errorf("a file, and no requester: %v", err)
	}
	set(t, c, "network.topology", "")
	set(t, c, "network.directories", "https://directory.example.org/")
	if err := c.Missing(); err != nil {
		t.Errorf("a directory, and no requester: %v", err)
	}
}

func TestMissing(t *testing.T) {
	c := NewMixnode()
	set(t, c, "network.topology", "topology.json")
	if err := c.Missing(); err == nil || !strings.Contains(err.Error(), "--mix-announce") {
		t.Errorf("listening everywhere and announcing nothing: %v", err)
	}
	set(t, c, "mix.listen", "192.0.2.1:1789")
	if err := c.Missing(); err != nil {
		t.Error(err)
	}
	if got := c.Mix.Addr().String(); got != "192.0.2.1:1789" {
		t.Errorf("address %s, want that of the listener", got)
	}
	set(t, c, "mix.announce", "203.0.113.1:1789")
	if got := c.Mix.Addr().String(); got != "203.0.113.1:1789" {
		t.Errorf("address %s, want the announced one", got)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version = 1\n[network]\ntopology = 'net/topology.json'\n[log]\nlevel = 'debug'\n")
	c := NewMixnode()
	if err := Load(file, c); err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.Network.Topology), filepath.Join(dir, "net", "topology.json"); got != want {
		t.Errorf("topology %q, want %q: paths count from the file's folder", got, want)
	}
	if c.Log.Level != "debug" || c.Log.Format != "auto" {
		t.Errorf("log %+v: the file's level, and the default format, should be there", c.Log)
	}
	write("version = 1\nxyzzy = 1\n")
	if err := Load(file, c); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v: should name the file", err)
	}
	write(strings.Repeat("#", maxFile+1))
	if err := Load(file, c); !errors.Is(err, ErrInvalid) {
		t.Errorf("a huge file: %v", err)
	}
	if err := Load(filepath.Join(dir, "none.toml"), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// What parses is written to a file that parses to the same.
func FuzzParse(f *testing.F) {
	f.Add("version = 1\n[socks]\nlisten = '[::1]:1'\n[client]\nhop_delay = 'off'\n[log]\nlevel = \"\\u0001\"")
	f.Add(string(Template("nym-socks5", NewSOCKS(), NewSOCKS())))
	f.Fuzz(func(t *testing.T, text string) {
		c := NewSOCKS()
		if Parse([]byte(text), c) != nil {
			return
		}
		again := NewSOCKS()
		written := Template("nym-socks5", c, NewSOCKS())
		if err := Parse(written, again); err != nil {
			t.Fatalf("%v in\n%s", err, written)
		}
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("%+v came back as %+v by\n%s", c, again, written)
		}
	})
}

// All that is wrong with a file is said at once, and by the names of its settings.
func TestAllErrorsOfAFileAtOnce(t *testing.T) {
	c := NewMixnode()
	err := Parse([]byte(`version = 1
[log]
levl = "debug"
[mix]
max_delay = "5"
listen = 17
noise = "yes"
delay_memory = "64MiB"
[nothing]
a = 1
[network]
directories = "one"
`), c)
	if !errors.Is(err, ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"log.levl (did you mean log.level?)", `mix.max_delay: "5" is no time`, `mix.listen: "17" is no IP and port; write it like`, "mix.noise: ", "nothing", "network.directories: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "toml") || c.Mix.DelayMemory != 64<<20 || !c.Mix.Noise {
		t.Errorf("got %+v and\n%v", c.Mix, err)
	}
}
