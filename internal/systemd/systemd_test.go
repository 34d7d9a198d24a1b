package systemd

import (
	"maps"
	"strings"
	"testing"
)

func text(t *testing.T, u Unit) string {
	t.Helper()
	b := new(strings.Builder)
	if err := u.Write(b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// parsed gives the assignments of a unit. Those that may be repeated are joined.
func parsed(t *testing.T, unit string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for line := range strings.Lines(unit) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.ContainsAny(value, "{}") {
			t.Fatalf("%q is no assignment", line)
		}
		if before, there := all[name]; there {
			value = before + "; " + value
		}
		all[name] = value
	}
	return all
}

var mix = Unit{Description: "mix-1 of the mixnet example", Program: "mixnode", Bin: "/usr/local/bin", ID: "mix-1", Folder: User + "/example"}

func TestUnit(t *testing.T) {
	got := parsed(t, text(t, mix))
	for name, want := range map[string]string{
		"Description":            "mix-1 of the mixnet example",
		"ExecStart":              "/usr/local/bin/mixnode run --id mix-1",
		"User":                   User,
		"ConfigurationDirectory": User + "/example",
		"StateDirectory":         User + "/example",
		"StateDirectoryMode":     "0700",
		"CapabilityBoundingSet":  "",
		"AmbientCapabilities":    "",
		"PrivateUsers":           "yes",
		"NoNewPrivileges":        "yes",
		"ProtectSystem":          "strict",
		"LimitCORE":              "0",
		"WantedBy":               "multi-user.target",
	} {
		if value, there := got[name]; !there || value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	for _, name := range []string{"EnvironmentFile", "DefaultInstance"} {
		if value, there := got[name]; there {
			t.Errorf("%s is %q, and should not be there", name, value)
		}
	}
}

func TestTemplate(t *testing.T) {
	u := mix
	u.ID, u.Environment = Instance, "/etc/default/nym-socks5"
	got := parsed(t, text(t, u))
	for name, want := range map[string]string{
		"ExecStart":       "/usr/local/bin/mixnode run --id %i",
		"EnvironmentFile": "-/etc/default/nym-socks5",
		"DefaultInstance": "default",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// The drop-in and the field are two ways to one unit.
func TestLowPorts(t *testing.T) {
	plain, low := mix, mix
	low.LowPorts = true
	want, got := parsed(t, text(t, low)), parsed(t, text(t, plain))
	maps.Copy(got, parsed(t, LowPorts))
	if !maps.Equal(got, want) {
		t.Errorf("with the drop-in:\n%v\nwith the field:\n%v", got, want)
	}
	if want["AmbientCapabilities"] != "CAP_NET_BIND_SERVICE" || want["PrivateUsers"] != "no" {
		t.Errorf("low ports: %v", want)
	}
}
