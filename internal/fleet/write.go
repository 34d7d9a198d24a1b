package fleet

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"text/template"

	"nym-socks5/config"
	"nym-socks5/internal/systemd"
)

// A HostsSpec says what network of several machines to write. All but Traffic
// and Sample are needed.
type HostsSpec struct {
	// Dir is where the folders of the hosts will be. It must be empty, or not be there.
	Dir      string
	Programs Programs
	Hosts    *config.Hosts
	// Traffic is that of all clients.
	Traffic Traffic
	// Rules are those of all requesters, without a file.
	Rules Rules
	// Sample is a URL that the rules allow, for the instructions.
	Sample string
}

// Write writes a folder for each host: settings, keys, units for systemd, a
// script that starts all of it, and how to use that. Without an error everything
// is there; else, nothing.
func Write(ctx context.Context, spec HostsSpec) (err error) {
	if spec.Dir, err = filepath.Abs(spec.Dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(spec.Dir)
	made := errors.Is(err, os.ErrNotExist)
	switch {
	case made:
		if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
			return err
		}
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("fleet: %s is not empty, and nothing was changed; choose another folder", spec.Dir)
	}
	w := &writer{ctx: ctx, spec: spec, parts: make(map[string][]hostPart)}
	if err := w.all(); err != nil {
		if made {
			return errors.Join(err, os.RemoveAll(spec.Dir))
		}
		for _, h := range spec.Hosts.Hosts {
			err = errors.Join(err, os.RemoveAll(filepath.Join(spec.Dir, h.Name)))
		}
		return err
	}
	return nil
}

// A hostPart is a part of a host, with what its people are told of it.
type hostPart struct {
	Part
	Where string // its ports; empty: it has none
	low   bool   // one of them is below 1024
}

// A writer writes the folders of hosts: the directory first, whose key all are
// told, then nodes, then those that name nodes.
type writer struct {
	ctx   context.Context
	spec  HostsSpec
	parts map[string][]hostPart // of each host

	directory  folder   // of the host with the directory
	common     []string // flags of all parts but the directory
	mixes      int
	gateways   []string // identities
	requesters []string // addresses
}

func (w *writer) all() error {
	for _, step := range []func(config.Host) error{w.writeDirectory, w.writeNodes, w.writeRequesters, w.writeSOCKS, w.writeTexts} {
		for _, h := range w.spec.Hosts.Hosts {
			if err := step(h); err != nil {
				return fmt.Errorf("host %s: %w", h.Name, err)
			}
		}
	}
	return nil
}

func (w *writer) folder(h config.Host) folder { return folder(filepath.Join(w.spec.Dir, h.Name)) }

// add makes the instance of a part, and has its program check it.
func (w *writer) add(h config.Host, p Part, where string, flags ...string) (map[string]string, error) {
	f := w.folder(h)
	d, err := w.spec.Programs.instance(w.ctx, f, p, flags...)
	if err != nil {
		return nil, err
	}
	if h.Certificate == "" || p.Program != progGateway { // else what is to be checked is on the host
		if _, err := w.spec.Programs.do(w.ctx, p.Program, slices.Concat([]string{"check-config"}, f.instance(p.Name))...); err != nil {
			return nil, err
		}
	}
	w.parts[h.Name] = append(w.parts[h.Name], hostPart{p, where, hasLowPort(flags)})
	return d, nil
}

// hasLowPort reports whether flags name a port that needs a capability.
func hasLowPort(flags []string) bool {
	return slices.ContainsFunc(flags, func(flag string) bool {
		at, err := netip.ParseAddrPort(flag)
		return err == nil && at.Port() > 0 && at.Port() < 1024
	})
}

// everywhere is every address of a host, at a port.
func everywhere(h config.Host, port int) string {
	ip := netip.IPv4Unspecified()
	if h.Address.Is6() {
		ip = netip.IPv6Unspecified()
	}
	return netip.AddrPortFrom(ip, uint16(port)).String()
}

// outside is where other hosts reach a port.
func outside(h config.Host, port int) string {
	return netip.AddrPortFrom(h.Address, uint16(port)).String()
}

func (w *writer) writeDirectory(h config.Host) error {
	if err := w.folder(h).make("etc", "state", "units"); err != nil || !h.Directory {
		return err
	}
	w.directory = w.folder(h)
	at := outside(h, h.DirectoryPort)
	d, err := w.add(h, Part{Name: progDirectory, Program: progDirectory}, "TCP port "+fmt.Sprint(h.DirectoryPort),
		"--network", w.spec.Hosts.Network, "--listen", everywhere(h, h.DirectoryPort), "--url", "http://"+at+"/api/")
	w.common = []string{"--network", w.spec.Hosts.Network, "--directory", d["directory"], "--directory-key", d["directory_key"]}
	return err
}

func (w *writer) writeNodes(h config.Host) error {
	node := func(p Part, port int, where string, more ...string) (string, error) {
		d, err := w.add(h, p, where, slices.Concat(w.common, more, []string{
			"--register", "--mix-listen", everywhere(h, port), "--mix-announce", outside(h, port),
		})...)
		if err != nil {
			return "", err
		}
		return d["identity_key"], w.spec.Programs.allow(w.ctx, w.directory, d["identity_key"], p.Program)
	}
	for i := range h.Mixnodes {
		w.mixes++
		port := h.MixPort + i
		if _, err := node(Part{Name: fmt.Sprintf("mix-%d", w.mixes), Program: progMixnode}, port, fmt.Sprintf("TCP port %d", port)); err != nil {
			return err
		}
	}
	for i := range h.Gateways {
		port, clients := h.MixPort+h.Mixnodes+i, h.ClientsPort+i
		p := Part{Name: fmt.Sprintf("gateway-%d", len(w.gateways)+1), Program: progGateway}
		where, more := w.tls(h, i)
		id, err := node(p, port, fmt.Sprintf("TCP ports %d and %d%s", port, clients, where),
			append(more, "--clients-listen", everywhere(h, clients))...)
		if err != nil {
			return err
		}
		w.gateways = append(w.gateways, id)
	}
	return nil
}

// tls gives the flags of a gateway's port over TLS, and what its ports are called.
func (w *writer) tls(h config.Host, i int) (where string, flags []string) {
	if !h.TLS() {
		return "", nil
	}
	flags = []string{"--hostname", h.Hostname, "--clients-tls-listen", everywhere(h, h.TLSPort+i)}
	where = fmt.Sprintf(", %d for TLS", h.TLSPort+i)
	if !h.ACME {
		return where, append(flags, "--tls-certificate", h.Certificate, "--tls-key", h.Key)
	}
	flags = append(flags, "--acme")
	if h.ACMEEmail != "" {
		flags = append(flags, "--acme-email", h.ACMEEmail)
	}
	if h.TLSPort == config.ACMETLSPort {
		return where, append(flags, "--acme-listen=")
	}
	return where + fmt.Sprintf(", %d for the authority", config.ACMEPort), append(flags, "--acme-listen", everywhere(h, config.ACMEPort))
}

// writeRequesters names the gateway of each requester, the last one first, so
// that its address is known before it runs.
func (w *writer) writeRequesters(h config.Host) error {
	for range h.Requesters {
		n := len(w.requesters)
		p := Part{Name: fmt.Sprintf("requester-%d", n+1), Program: progRequester}
		d, err := w.add(h, p, "", slices.Concat(w.common, w.spec.Traffic.flags(), w.spec.Rules.flags(), []string{
			"--register", "--gateway", w.gateways[len(w.gateways)-1-n%len(w.gateways)],
		})...)
		if err != nil {
			return err
		}
		if err := w.spec.Programs.allow(w.ctx, w.directory, d["identity_key"], "requester"); err != nil {
			return err
		}
		w.requesters = append(w.requesters, d["address"])
	}
	return nil
}

// writeSOCKS names the first requester; its own gateway a proxy draws itself.
func (w *writer) writeSOCKS(h config.Host) error {
	if !h.SOCKS {
		return nil
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(h.SOCKSPort))
	_, err := w.add(h, Part{Name: "socks", Program: progSOCKS}, "port "+at.String(), slices.Concat(w.common, w.spec.Traffic.flags(), []string{
		"--listen", at.String(), "--requester", w.requesters[0],
	})...)
	return err
}

//go:embed templates
var templates embed.FS

// texts are the templates, without the end of their names.
var texts = template.Must(template.ParseFS(templates, "templates/*.tmpl"))

// A sheet is what the templates are filled with.
type sheet struct {
	Network  string
	Host     config.Host
	Parts    []hostPart
	Programs []string
	Sample   string
}

// ID is by what --id the programs know a part that is installed as a service.
func (s sheet) ID(p hostPart) string { return s.Network + "-" + p.Name }

func (w *writer) writeTexts(h config.Host) error {
	s := sheet{Network: w.spec.Hosts.Network, Host: h, Parts: w.parts[h.Name], Sample: w.spec.Sample}
	for _, p := range s.Parts {
		if !slices.Contains(s.Programs, p.Program) {
			s.Programs = append(s.Programs, p.Program)
		}
	}
	f := w.folder(h)
	for _, p := range s.Parts {
		u := systemd.Unit{
			Description: p.Name + " of the mixnet " + s.Network, Program: p.Program, Bin: "/usr/local/bin",
			ID: s.ID(p), Folder: systemd.User + "/" + p.Program, LowPorts: p.low,
		}
		name := s.ID(p) + ".service"
		if err := write(filepath.Join(string(f), "units", name), 0o644, u.Write); err != nil {
			return err
		}
	}
	fill := func(name string) func(io.Writer) error {
		return func(w io.Writer) error { return texts.ExecuteTemplate(w, name, s) }
	}
	return errors.Join(
		write(filepath.Join(string(f), "start"), 0o755, fill("start.tmpl")),
		write(filepath.Join(string(f), "README"), 0o644, fill("README.tmpl")),
	)
}

// write writes a file that is not there yet.
func write(path string, mode os.FileMode, content func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(content(f), f.Close())
}
