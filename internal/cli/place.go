package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"
)

// A place is where an instance's files are.
type place struct {
	config string // file
	state  string // folder
}

// product is the folder that all programs share, and the others are where root
// has it.
const (
	product      = "nym-socks5"
	configOfRoot = "/etc/" + product
	stateOfRoot  = "/var/lib/" + product
)

// place gives the usual place of an instance. Where this process has no home and
// is not root, its parts are empty.
func (p Program[C]) place(id string) (at place) {
	if dir := systemd("CONFIGURATION_DIRECTORY"); dir != "" {
		at.config = dir
	} else if os.Geteuid() == 0 {
		at.config = filepath.Join(configOfRoot, p.Name)
	} else if dir, err := os.UserConfigDir(); err == nil {
		at.config = filepath.Join(dir, product, p.Name)
	}
	if dir := systemd("STATE_DIRECTORY"); dir != "" {
		at.state = dir
	} else if os.Geteuid() == 0 {
		at.state = filepath.Join(stateOfRoot, p.Name)
	} else if dir := userState(); dir != "" {
		at.state = filepath.Join(dir, product, p.Name)
	}
	if at.config != "" {
		at.config = filepath.Join(at.config, id+".toml")
	}
	if at.state != "" {
		at.state = filepath.Join(at.state, id)
	}
	return at
}

// systemd gives the first folder of a variable that systemd sets to a list.
func systemd(variable string) string {
	dir, _, _ := strings.Cut(os.Getenv(variable), ":")
	if !filepath.IsAbs(dir) {
		return ""
	}
	return dir
}

// userState is the user's folder for state, by the XDG base directories.
func userState() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state")
	}
	return ""
}

// shownConfig and shownState write a place for help texts: the home folder is
// the reader's, not that of whoever printed the manual page.
func (at place) shownConfig() string { return shown(at.config) }
func (at place) shownState() string  { return shown(at.state) }

func shown(path string) string {
	if path == "" {
		return "(none: say --config FILE and --state-dir DIR)"
	}
	if home, err := os.UserHomeDir(); err == nil && home != "/" {
		if rest, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
			return filepath.Join("~", rest)
		}
	}
	return path
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

// chosen gives the place that a command line asks for.
func (p Program[C]) chosen(c *cli.Context) (at place, err error) {
	id := c.String(flagID)
	if !idForm.MatchString(id) {
		return at, usagef("--id %q: a name of letters, digits, dots, dashes and underscores is wanted", id)
	}
	if c.String(flagConfig) == "" && c.String(flagState) == "" {
		if err := p.asService(); err != nil {
			return at, err
		}
	}
	at = p.place(id)
	for _, f := range []struct {
		flag string
		path *string
	}{{flagConfig, &at.config}, {flagState, &at.state}} {
		if v := c.String(f.flag); v != "" {
			if *f.path, err = filepath.Abs(v); err != nil {
				return at, err
			}
		}
		if *f.path == "" {
			return at, usagef("there is no home folder: say --%s", f.flag)
		}
	}
	return at, nil
}
