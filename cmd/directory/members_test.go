package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nym-socks5/mixnet/directory"
)

func TestParseMembers(t *testing.T) {
	alice, bob := somebody("alice").Public(), somebody("bob").Public()
	got, err := parseMembers([]byte("# ours\n\n  " + alice.String() + "\tmixnode # in Riga\r\n" +
		alice.String() + " requester\n" + bob.String() + " gateway"))
	want := members{{alice, directory.RoleMixnode}: true, {alice, directory.RoleRequester}: true, {bob, directory.RoleGateway}: true}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, c := range []struct{ text, want string }{
		{alice.String(), "line 1: it must have an identity and a role"},
		{"\n" + alice.String() + " mixnode gateway", "line 2: it must"},
		{"\n\nnobody mixnode", `line 3: "nobody" is no identity`},
		{alice.String() + " gatway", "did you mean gateway?"},
		{alice.String() + " king", "it can be mixnode, gateway or requester"},
	} {
		if _, err := parseMembers([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q in it", c.text, err, c.want)
		}
	}
}

// A line is added to what people wrote, and only once.
func TestAddMember(t *testing.T) {
	m := member{somebody("alice").Public(), directory.RoleGateway}
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte("# no line feed"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if added, err := addMember(path, m); added != (i == 0) || err != nil {
			t.Errorf("attempt %d: %v, %v", i, added, err)
		}
	}
	b, err := os.ReadFile(path)
	if want := "# no line feed\n" + m.String() + "\n"; string(b) != want || err != nil {
		t.Errorf("got %q, %v; want %q", b, err, want)
	}
}

// A line goes, what else people wrote stays.
func TestRemoveMember(t *testing.T) {
	alice, bob := member{somebody("alice").Public(), directory.RoleGateway}, member{somebody("bob").Public(), directory.RoleMixnode}
	path := filepath.Join(t.TempDir(), "list")
	text := "# ours\n" + alice.String() + " # in Riga\n\n" + bob.String()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if removed, err := removeMember(path, alice); removed != (i == 0) || err != nil {
			t.Errorf("attempt %d: %v, %v", i, removed, err)
		}
	}
	b, err := os.ReadFile(path)
	if want := "# ours\n\n" + bob.String(); string(b) != want || err != nil {
		t.Errorf("got %q, %v; want %q", b, err, want)
	}
	if _, err := removeMember(filepath.Join(t.TempDir(), "none"), bob); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a list: %v", err)
	}
}

func FuzzParseMembers(f *testing.F) {
	f.Add([]byte(somebody("alice").Public().String() + " mixnode\n# x"))
	f.Add([]byte("a b"))
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := parseMembers(in)
		if err != nil {
			return
		}
		var text strings.Builder
		for m := range all {
			text.WriteString(m.String() + "\n")
		}
		again, err := parseMembers([]byte(text.String()))
		if err != nil || !maps.Equal(all, again) {
			t.Errorf("%q parses as %v, and its plain form as %v, %v", in, all, again, err)
		}
	})
}
