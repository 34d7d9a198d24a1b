package deploy

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"nym-socks5/config"
)

// load reads compose.yaml as an engine does: against the schema, with variables
// filled in. It knows nothing of ALLOW if allow is empty.
func load(t *testing.T, allow string) (*types.Project, error) {
	t.Helper()
	var env []string
	if allow != "" {
		env = append(env, "ALLOW="+allow)
	}
	opts, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return opts.LoadProject(t.Context())
}

func TestComposeNeedsRules(t *testing.T) {
	if _, err := load(t, ""); err == nil || !strings.Contains(err.Error(), "say what the requester may reach") {
		t.Errorf("without rules: %v", err)
	}
}

// Each service runs what the hosts file says, at the address that it says, and sees
// the files of that host alone.
func TestComposeServices(t *testing.T) {
	p, err := load(t, "example.org:443")
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := config.ParseHosts([]byte(p.Configs["hosts"].Content))
	if err != nil {
		t.Fatal(err)
	}
	if len(hosts.Hosts)+1 != len(p.Services) {
		t.Errorf("%d hosts and %d services, of which one writes", len(hosts.Hosts), len(p.Services))
	}
	for _, h := range hosts.Hosts {
		s, err := p.GetService(h.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		if at, err := netip.ParseAddr(s.Networks["mixnet"].Ipv4Address); err != nil || at != h.Address {
			t.Errorf("%s is at %v, and its host at %v", s.Name, at, h.Address)
		}
		if len(s.Volumes) != 1 || s.Volumes[0].Volume == nil || s.Volumes[0].Volume.Subpath != h.Name {
			t.Errorf("%s sees %+v", s.Name, s.Volumes)
		}
		if _, waits := s.DependsOn["write"]; !waits {
			t.Errorf("%s does not wait for its settings", s.Name)
		}
		part := path.Base(s.Command[slices.Index(s.Command, "--state-dir")+1])
		if s.Command[slices.Index(s.Command, "--config")+1] != "etc/"+part+".toml" {
			t.Errorf("%s has settings and state of two parts: %v", s.Name, s.Command)
		}
	}
	for _, s := range p.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
			t.Errorf("%s may more than it needs", s.Name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is open to other machines", s.Name)
			}
		}
	}
}
