package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"nym-socks5/internal/cli"
	"nym-socks5/internal/wholefile"
	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// Invitations are in two files of the state folder. What the operator hands out is
// in one, which the commands write; what came of it is in the other, which only the
// running directory writes.
//
//	invite ──▶ invites:      KEY ROLE UNTIL USES
//	                                │ an announcement that KEY signed
//	           invited.json: KEY ─▶ identity ──▶ members (from then on one of them)
const (
	invitesFile = "invites"
	invitedFile = "invited.json"
)

// An invite is an invitation as the operator gave it.
type invite struct {
	key   keys.Identity // public half of the secret's key
	role  directory.Role
	until time.Time
	uses  int
}

// String gives the line of the file.
func (i invite) String() string {
	return fmt.Sprintf("%v %s %s %d", i.key, i.role, i.until.UTC().Format(time.RFC3339), i.uses)
}

// invites are those of a file.
type invites map[keys.Identity]invite

// parseInvites reads a file: public key, role, end and number of uses on a line, and
// what stands behind a # is for people.
func parseInvites(b []byte) (invites, error) {
	all := make(invites)
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 4 {
			return nil, fmt.Errorf("line %d: it must have a key, a role, an end and a number of uses", n)
		}
		m, err := parseMember(words[0], words[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		i := invite{key: m.id, role: m.role}
		if i.until, err = time.Parse(time.RFC3339, words[2]); err != nil {
			return nil, fmt.Errorf("line %d: the end is a time such as 2026-05-16T12:00:00Z, found %q", n, words[2])
		}
		if i.uses, err = strconv.Atoi(words[3]); err != nil || i.uses < 1 || i.uses > maxUses {
			return nil, fmt.Errorf("line %d: the number of uses is 1 to %d, found %q", n, maxUses, words[3])
		}
		if _, twice := all[i.key]; twice {
			return nil, fmt.Errorf("line %d: the key has a line already", n)
		}
		all[i.key] = i
	}
	return all, nil
}

// openInvites reads the file, which is made if there is none.
func openInvites(path string) (*cli.File[invites], error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := writeInvites(path, nil); err != nil {
			return nil, err
		}
	}
	return cli.OpenFile(path, parseInvites)
}

// writeInvites writes the file anew, without those that have long been over.
func writeInvites(path string, all invites) error {
	var b bytes.Buffer
	b.WriteString("# Who is invited: the public key of an invitation, the role it is for, until when, and how often.\n")
	for _, i := range all.sorted() {
		if time.Since(i.until) < keepOver {
			fmt.Fprintln(&b, i)
		}
	}
	return wholefile.Write(path, b.Bytes(), 0o600)
}

// sorted gives the invitations, the one that ends first first.
func (all invites) sorted() []invite {
	var list []invite
	for _, i := range all {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b invite) int {
		if c := a.until.Compare(b.until); c != 0 {
			return c
		}
		return strings.Compare(a.key.String(), b.key.String())
	})
	return list
}

// A use is one identity that an invitation let in.
type use struct {
	Identity string `json:"identity"`
	// Joined: it stands among the members, or stood there until the operator took
	// it off. If false, the directory was stopped in between.
	Joined bool `json:"joined"`
}

// readInvited reads what came of invitations, by their public keys.
func readInvited(path string) (map[string][]use, error) {
	b, err := wholefile.ReadSecret(path, maxInvited)
	if errors.Is(err, fs.ErrNotExist) {
		return make(map[string][]use), nil
	}
	if err != nil {
		return nil, err
	}
	uses := make(map[string][]use)
	if err := json.Unmarshal(b, &uses); err != nil {
		return nil, cli.Invalid("%s is damaged: %v", path, err)
	}
	return uses, nil
}

// A host lets in who was invited. It implements [dirserver.Invites], for the
// goroutine that decides about announcements.
type host struct {
	given   *cli.File[invites]
	members *cli.File[members]
	list    string // file of the members
	path    string // file of what came of invitations
	uses    map[string][]use
}

func newHost(given *cli.File[invites], list *cli.File[members], listPath, path string) (*host, error) {
	uses, err := readInvited(path)
	return &host{given: given, members: list, list: listPath, path: path, uses: uses}, err
}

// Check implements [dirserver.Invites].
func (h *host) Check(key, id keys.Identity, role directory.Role) error {
	if _, known := h.given.Value()[key]; !known {
		if err := h.given.Refresh(); err != nil { // it may have been written a moment ago
			return fmt.Errorf("the directory cannot read its invitations: %w", err)
		}
	}
	i, known := h.given.Value()[key]
	used := h.uses[key.String()]
	at := slices.IndexFunc(used, func(u use) bool { return u.Identity == id.String() })
	switch {
	case !known:
		return errors.New("the directory does not know this invitation; it may have been revoked")
	case i.role != role:
		return fmt.Errorf("this invitation is for a %s, not for a %s", i.role, role)
	case at >= 0 && used[at].Joined:
		return errors.New("this identity has joined by this invitation before, and the operator has taken it off the list since")
	case at >= 0:
		return nil // what the directory was about to do when it was stopped
	case time.Now().After(i.until):
		return fmt.Errorf("this invitation was good until %s", i.until.UTC().Format(time.RFC3339))
	case len(used) >= i.uses:
		return errors.New("this invitation has been used up; each lets in whoever comes first")
	}
	return nil
}

// errNotInvited tells a node to come again: the reason is the operator's to see.
var errNotInvited = errors.New("the directory could not write down that you joined; its log says why")

// Use implements [dirserver.Invites]. The use is written down before the member, so
// that a directory that is stopped in between lets nobody else in by it.
func (h *host) Use(key, id keys.Identity, role directory.Role) error {
	if err := h.Check(key, id, role); err != nil {
		return err
	}
	k := key.String()
	if err := h.note(k, use{Identity: id.String()}); err != nil {
		return fmt.Errorf("%w: %w", errNotInvited, err)
	}
	m := member{id, role}
	if _, err := addMember(h.list, m); err != nil {
		return fmt.Errorf("%w: %w", errNotInvited, err)
	}
	if err := h.members.Reread(); err != nil {
		return fmt.Errorf("%w: %w", errNotInvited, err)
	}
	if !h.members.Value()[m] { // the list was written anew in the same moment
		return errNotInvited
	}
	if err := h.note(k, use{Identity: id.String(), Joined: true}); err != nil {
		return fmt.Errorf("%w: %w", errNotInvited, err)
	}
	return nil
}

// note writes down one use, in place of an earlier note about the identity.
func (h *host) note(key string, u use) error {
	before := h.uses[key]
	used := slices.Clone(before)
	if at := slices.IndexFunc(used, func(o use) bool { return o.Identity == u.Identity }); at >= 0 {
		used[at] = u
	} else {
		used = append(used, u)
	}
	h.uses[key] = used
	given := h.given.Value()
	maps.DeleteFunc(h.uses, func(k string, _ []use) bool { // nothing can come of those any more
		id, err := keys.ParseIdentityText(k)
		return err != nil || given[id].uses == 0
	})
	b, err := json.MarshalIndent(h.uses, "", " ")
	switch {
	case err != nil:
	case len(b) >= maxInvited:
		err = errors.New("too many uses of invitations are remembered; revoke those that are used up")
	default:
		err = wholefile.Write(h.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		h.uses[key] = before
	}
	return err
}
