package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// A party is a host with its files in a folder.
type party struct {
	t   *testing.T
	dir string
	*host
}

func newParty(t *testing.T, given ...invite) *party {
	t.Helper()
	p := &party{t: t, dir: t.TempDir()}
	all := make(invites)
	for _, i := range given {
		all[i.key] = i
	}
	if err := writeInvites(filepath.Join(p.dir, invitesFile), all); err != nil {
		t.Fatal(err)
	}
	if err := makeMembers(filepath.Join(p.dir, "members")); err != nil {
		t.Fatal(err)
	}
	p.restart()
	return p
}

// restart reads the files as a directory does that is started.
func (p *party) restart() {
	p.t.Helper()
	given, err := openInvites(filepath.Join(p.dir, invitesFile))
	if err != nil {
		p.t.Fatal(err)
	}
	list, err := openMembers(filepath.Join(p.dir, "members"))
	if err != nil {
		p.t.Fatal(err)
	}
	if p.host, err = newHost(given, list, filepath.Join(p.dir, "members"), filepath.Join(p.dir, invitedFile)); err != nil {
		p.t.Fatal(err)
	}
}

func testInvite(role directory.Role, uses int, until time.Duration) invite {
	return invite{directory.NewInvite().Key().Public(), role, time.Now().Add(until), uses}
}

// An invitation lets in as many as it says, each as often as it likes, also after a
// restart, and who was taken off the list stays off.
func TestInvitationsAreUsedUp(t *testing.T) {
	i := testInvite(directory.RoleMixnode, 2, time.Hour)
	over := testInvite(directory.RoleMixnode, 2, -time.Second)
	p := newParty(t, i, over)
	alice, bob, carol := somebody("alice").Public(), somebody("bob").Public(), somebody("carol").Public()
	refused := func(err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q in it", err, part)
		}
	}
	in := func(id keys.Identity) bool { return p.members.Value()[member{id, directory.RoleMixnode}] }
	for _, id := range []keys.Identity{alice, bob} {
		if err := p.Use(i.key, id, directory.RoleMixnode); err != nil || !in(id) {
			t.Fatalf("%v: listed %v", err, in(id))
		}
	}
	refused(p.Use(i.key, carol, directory.RoleMixnode), "used up")
	refused(p.Use(over.key, carol, directory.RoleMixnode), "was good until")
	refused(p.Use(i.key, carol, directory.RoleGateway), "for a mixnode, not for a gateway")
	refused(p.Use(testInvite(directory.RoleMixnode, 1, time.Hour).key, carol, directory.RoleMixnode), "does not know")
	p.restart()
	refused(p.Check(i.key, carol, directory.RoleMixnode), "used up")
	if _, err := removeMember(p.list, member{alice, directory.RoleMixnode}); err != nil {
		t.Fatal(err)
	}
	p.restart()
	refused(p.Use(i.key, alice, directory.RoleMixnode), "taken it off the list since")
	if in(alice) || in(carol) || !in(bob) {
		t.Error("the list has others than were let in")
	}
}

// A directory that is stopped between two writes finishes what it began: the same
// identity joins, and no other does.
func TestInvitationIsFinished(t *testing.T) {
	i := testInvite(directory.RoleMixnode, 1, time.Hour)
	alice, bob := somebody("alice").Public(), somebody("bob").Public()
	for name, stopped := range map[string]func(*party){
		"the use is noted": func(p *party) {},
		"and the member listed": func(p *party) {
			if _, err := addMember(p.list, member{alice, directory.RoleMixnode}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		p := newParty(t, i)
		if err := p.note(i.key.String(), use{Identity: alice.String()}); err != nil {
			t.Fatal(err)
		}
		stopped(p)
		p.restart()
		if err := p.Use(i.key, bob, directory.RoleMixnode); err == nil {
			t.Errorf("%s: somebody else was let in", name)
		}
		if err := p.Use(i.key, alice, directory.RoleMixnode); err != nil || len(p.members.Value()) != 1 {
			t.Errorf("%s: %v, members %v", name, err, p.members.Value())
		}
	}
}

// What cannot be written lets nobody in, and uses nothing up.
func TestInvitationIsWrittenFirst(t *testing.T) {
	i := testInvite(directory.RoleMixnode, 1, time.Hour)
	p := newParty(t, i)
	p.path = filepath.Join(p.dir, "no", "such", "folder")
	if err := p.Use(i.key, somebody("alice").Public(), directory.RoleMixnode); err == nil || len(p.members.Value()) != 0 {
		t.Errorf("%v, members %v", err, p.members.Value())
	}
	p.path = filepath.Join(p.dir, invitedFile)
	if err := p.Use(i.key, somebody("bob").Public(), directory.RoleMixnode); err != nil {
		t.Errorf("used up by what was not written: %v", err)
	}
}

func TestParseInvites(t *testing.T) {
	i := testInvite(directory.RoleGateway, 3, time.Hour)
	i.until = i.until.UTC().Truncate(time.Second)
	all, err := parseInvites([]byte("# ours\n\n" + i.String() + " # for Riga\n"))
	if err != nil || len(all) != 1 || all[i.key] != i {
		t.Errorf("%v, %v", all, err)
	}
	key := i.key.String()
	for text, want := range map[string]string{
		key + " gateway": "line 1: it must have",
		"\n" + key + " king 2026-05-16T12:00:00Z 1": "line 2: there is no role",
		key + " gateway tomorrow 1":                 "the end is a time",
		key + " gateway 2026-05-16T12:00:00Z 0":     "1 to 1000",
		key + " gateway 2026-05-16T12:00:00Z 1001":  "1 to 1000",
		"nobody gateway 2026-05-16T12:00:00Z 1":     "is no identity",
		i.String() + "\n" + i.String():              "has a line already",
	} {
		if _, err := parseInvites([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", text, err, want)
		}
	}
}

// Invitations that have long been over go when the file is written.
func TestOldInvitationsGo(t *testing.T) {
	p := newParty(t, testInvite(directory.RoleMixnode, 1, -keepOver-time.Hour), testInvite(directory.RoleMixnode, 1, -time.Hour))
	if n := len(p.given.Value()); n != 1 {
		t.Errorf("%d invitations are left, want the newer one", n)
	}
}

func TestDamagedInvited(t *testing.T) {
	path := filepath.Join(t.TempDir(), invitedFile)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readInvited(path); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseInvites(f *testing.F) {
	i := invite{somebody("alice").Public(), directory.RoleGateway, time.Unix(1_800_000_000, 0).UTC(), 3}
	f.Add([]byte(i.String() + " # x\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := parseInvites(in)
		if err != nil {
			return
		}
		var lines []string
		for _, i := range all.sorted() {
			i.until = i.until.UTC()
			if y := i.until.Year(); y < 0 || y > 9999 {
				return // not written by us
			}
			lines = append(lines, i.String())
		}
		again, err := parseInvites([]byte(strings.Join(lines, "\n")))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%q: %v", lines, err)
		}
	})
}
