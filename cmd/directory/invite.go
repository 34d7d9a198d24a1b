package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"rsc.io/qr"

	"nym-socks5/config"
	"nym-socks5/internal/cli"
	"nym-socks5/internal/wholefile"
	"nym-socks5/mixnet"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// facts are what everybody must know to join, at the port where the directory listens.
func facts(l config.List, at netip.AddrPort, key keys.Identity) config.Join {
	return config.Join{Network: l.Name, Directories: []string{address(l, at)}, Key: key.String()}
}

// invitation prints a link: the facts of the network, and with a role the secret of
// an invitation, whose public key goes into the file of them.
func invitation(c *call) ([]cli.Detail, error) {
	list := c.Config.List
	if err := c.Config.Missing(); err != nil {
		return nil, err
	}
	if list.URL == "" && list.Listen.Addr().IsUnspecified() {
		return nil, cli.Invalid("directory.url is not set, and directory.listen is every address of this machine: say with --url where others reach the directory, such as https://directory.example.org/api/")
	}
	j := facts(list, list.Listen, c.Keys.Identity.Public())
	if r := c.Flag("requester"); r != "" && r != "auto" {
		if _, err := mixnet.ParseRecipientText(r); err != nil {
			return nil, cli.Usage("--requester: %v", err)
		}
		j.Requesters = []string{r}
	}
	if file := c.Flag("file"); file != "" {
		b, err := j.File()
		if err != nil {
			return nil, err
		}
		if err := wholefile.Write(file, b, 0o644); err != nil { // it is public
			return nil, err
		}
	}
	details := []cli.Detail{{Name: "for", Value: "users, as often as you like; it is no secret"}}
	if c.Flag("role") != "" {
		given, secret, err := newInvite(c)
		if err != nil {
			return nil, err
		}
		j.Role, j.Invite = string(given.role), secret.Text()
		details = []cli.Detail{
			{Name: "for", Value: fmt.Sprintf("%s, %d to join; whoever has the link can", given.role, given.uses)},
			{Name: "until", Value: given.until.Local().Format(time.DateTime)},
			{Name: "key", Value: given.key.String()},
			{Name: "within", Value: atNextReading},
		}
	} else if c.Flag("expires") != "" || c.Flag("uses") != "" {
		return nil, cli.Usage("--expires and --uses are for invitations, which have a --role")
	}
	if c.Has("qr") {
		code, err := qr.Encode(j.Link(), qr.L)
		if err != nil {
			return nil, fmt.Errorf("the link is too long to be drawn: %w", err)
		}
		if _, err := fmt.Fprint(c.Out(), drawn(code)); err != nil {
			return nil, err
		}
	}
	return append([]cli.Detail{{Name: "link", Value: j.Link()}}, details...), nil
}

// newInvite draws a secret, and writes its public key down.
func newInvite(c *call) (i invite, secret directory.Invite, err error) {
	i = invite{role: directory.Role(c.Flag("role")), until: time.Now().Add(defaultExpiry), uses: 1}
	if !slices.Contains(roles, i.role) {
		return i, secret, cli.Usage("there is no role %q; it can be mixnode, gateway or requester", i.role)
	}
	if text := c.Flag("expires"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 || d > maxExpiry {
			return i, secret, cli.Usage("--expires %q: it is a time such as 24h, of at most a year", text)
		}
		i.until = time.Now().Add(d)
	}
	if text := c.Flag("uses"); text != "" {
		if i.uses, err = strconv.Atoi(text); err != nil || i.uses < 1 || i.uses > maxUses {
			return i, secret, cli.Usage("--uses %q: it is a number from 1 to %d", text, maxUses)
		}
	}
	secret = directory.NewInvite()
	i.key = secret.Key().Public()
	path := c.State.Path(invitesFile)
	file, err := openInvites(path)
	if err != nil {
		return i, secret, err
	}
	all := file.Value()
	if len(all) >= maxInvites {
		return i, secret, fmt.Errorf("%s has %d invitations already; revoke some", path, len(all))
	}
	all[i.key] = i
	return i, secret, writeInvites(path, all)
}

// drawn draws a code for a terminal: two rows in one line of half blocks, dark on
// light, with a quiet zone of four (ISO/IEC 18004 §9.1).
func drawn(code *qr.Code) string {
	const quiet = 4
	light := func(x, y int) bool { return !code.Black(x, y) }
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;47m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch above, below := light(x, y), light(x, y+1) || y+1 >= code.Size+quiet; {
			case above && below:
				b.WriteByte(' ')
			case above:
				b.WriteRune('▄')
			case below:
				b.WriteRune('▀')
			default:
				b.WriteRune('█')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}

// listInvites prints the invitations.
func listInvites(c *call) ([]cli.Detail, error) {
	file, err := openInvites(c.State.Path(invitesFile))
	if err != nil {
		return nil, err
	}
	uses, err := readInvited(c.State.Path(invitedFile))
	if err != nil {
		return nil, err
	}
	list := []cli.Detail{}
	for _, i := range file.Value().sorted() {
		text := fmt.Sprintf("%s, until %s, used %d of %d", i.role, i.until.Local().Format(time.DateTime), len(uses[i.key.String()]), i.uses)
		if time.Now().After(i.until) {
			text += ", over"
		}
		for _, u := range uses[i.key.String()] {
			text += " " + u.Identity
		}
		list = append(list, cli.Detail{Name: i.key.String(), Value: text})
	}
	return list, nil
}

// revoke takes an invitation off the file.
func revoke(c *call) ([]cli.Detail, error) {
	key, err := keys.ParseIdentityText(c.Args[0])
	if err != nil {
		return nil, cli.Usage("%q is no key of an invitation; see directory invites", c.Args[0])
	}
	path := c.State.Path(invitesFile)
	file, err := openInvites(path)
	if err != nil {
		return nil, err
	}
	all := file.Value()
	if _, known := all[key]; !known {
		return nil, fmt.Errorf("there is no invitation %v; see directory invites", key)
	}
	delete(all, key)
	if err := writeInvites(path, all); err != nil {
		return nil, err
	}
	return []cli.Detail{{Name: "revoked", Value: key.String()}, {Name: "within", Value: atNextReading}}, nil
}
