package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/wholefile"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// A member is an identity that may join in a role.
type member struct {
	id   keys.Identity
	role directory.Role
}

// String gives the line of a list.
func (m member) String() string { return m.id.String() + " " + string(m.role) }

var roles = []directory.Role{directory.RoleMixnode, directory.RoleGateway, directory.RoleRequester}

func parseMember(id, role string) (m member, err error) {
	if m.id, err = keys.ParseIdentityText(id); err != nil {
		return m, fmt.Errorf("%q is no identity", id)
	}
	if m.role = directory.Role(role); !slices.Contains(roles, m.role) {
		hint := ""
		if c, ok := config.Closest(role, []string{string(roles[0]), string(roles[1]), string(roles[2])}); ok {
			hint = fmt.Sprintf(" (did you mean %s?)", c)
		}
		return m, fmt.Errorf("there is no role %q%s; it can be mixnode, gateway or requester", role, hint)
	}
	return m, nil
}

// members is the operator's list.
type members map[member]bool

// parseMembers reads a list: an identity and its role on a line, and what
// stands behind a # is for people.
func parseMembers(b []byte) (members, error) {
	all := make(members)
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch len(words) {
		case 0:
			continue
		case 2:
		default:
			return nil, fmt.Errorf("line %d: it must have an identity and a role", n)
		}
		m, err := parseMember(words[0], words[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all[m] = true
	}
	return all, nil
}

func openMembers(path string) (*cli.File[members], error) { return cli.OpenFile(path, parseMembers) }

// membersFile is where the list is.
func membersFile(l config.List, s *cli.State) string {
	if l.Members != "" {
		return string(l.Members)
	}
	return s.Path("members")
}

// membersHead is what a new list begins with.
const membersHead = "# Who may join: an identity and its role on each line.\n"

// makeMembers makes an empty list unless there is one.
func makeMembers(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(membersHead)
	return errors.Join(err, f.Sync(), f.Close())
}

// addMember appends a line to the list, which is made if there is none; false:
// it was there already.
func addMember(path string, m member) (added bool, err error) {
	if err := makeMembers(path); err != nil {
		return false, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	all, err := parseMembers(b)
	if err != nil {
		return false, cli.Invalid("%s: %v", path, err)
	}
	if all[m] {
		return false, nil
	}
	line := m.String() + "\n"
	if len(b) > 0 && !bytes.HasSuffix(b, []byte("\n")) {
		line = "\n" + line
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(line)
	return true, errors.Join(err, f.Sync(), f.Close())
}

// removeMember takes a line off the list, which keeps what else is in it;
// false: it was not there.
func removeMember(path string, m member) (removed bool, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	if _, err := parseMembers(b); err != nil {
		return false, cli.Invalid("%s: %v", path, err)
	}
	var kept []byte
	for line := range strings.Lines(string(b)) {
		all, err := parseMembers([]byte(line))
		if err != nil {
			return false, err
		}
		if all[m] {
			removed = true
		} else {
			kept = append(kept, line...)
		}
	}
	if !removed {
		return false, nil
	}
	return true, wholefile.Write(path, kept, 0o600)
}
