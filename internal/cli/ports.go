package cli

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"nym-socks5/config"
)

// Listen opens the port of a setting, such as "socks.listen". Its error says which
// setting and flag it is about.
func (e *Env[C]) Listen(key string) (net.Listener, error) { return listenAt(e.Config, key) }

// tryPorts reports ports that cannot be opened now.
func (p Program[C]) tryPorts(cfg C) error {
	var errs []error
	for _, key := range p.Ports {
		if s, ok := setting(cfg, key); !ok || s.String() == "" {
			continue // it has no such port
		}
		ln, err := listenAt(cfg, key)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, ln.Close())
	}
	return errors.Join(errs...)
}

func setting(c config.Config, key string) (config.Setting, bool) {
	for _, s := range config.Settings(c) {
		if s.Key() == key {
			return s, true
		}
	}
	return config.Setting{}, false
}

func listenAt(c config.Config, key string) (net.Listener, error) {
	s, ok := setting(c, key)
	if !ok {
		panic("cli: there is no setting " + key)
	}
	ln, err := net.Listen("tcp", s.String())
	why := ""
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE): // who restarts us may find it free
		return nil, Temporary(fmt.Errorf("%s (--%s) is %s: another program uses this port; stop it, or choose another", key, s.Flag, s))
	case errors.Is(err, syscall.EACCES):
		why = "ports below 1024 need a privilege (for a service: AmbientCapabilities=CAP_NET_BIND_SERVICE); or choose another"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "this machine has no such address"
	default:
		return nil, Invalid("%s (--%s): %v", key, s.Flag, err)
	}
	return nil, Invalid("%s (--%s) is %s: %s", key, s.Flag, s, why)
}
