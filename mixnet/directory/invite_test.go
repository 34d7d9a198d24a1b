package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"nym-socks5/mixnet/keys"
)

// nodes.md §4.11: an announcement carries the signature of an invitation beside its
// identity's. It is of no use with another announcement, and the secret is not in it.
func TestInvitedAnnouncement(t *testing.T) {
	alice, mallory, secret := keys.NewIdentityKey(), keys.NewIdentityKey(), NewInvite()
	said := testAnnouncement(alice, RoleMixnode)
	signed, err := said.SignInvited(alice, secret.Key())
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenAnnouncement(signed)
	if err != nil || got.InvitedBy != secret.Key().Public() || got.Identity != alice.Public() {
		t.Fatalf("got %+v, %v", got, err)
	}
	if strings.Contains(string(signed), secret.Text()) {
		t.Error("the secret crosses the wire")
	}
	plain, err := said.Sign(alice)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenAnnouncement(plain); err != nil || !got.InvitedBy.IsZero() {
		t.Errorf("without an invitation: %+v, %v", got, err)
	}

	var hers, his signedAnnouncement
	theirs := testAnnouncement(mallory, RoleMixnode)
	stolen, err := theirs.Sign(mallory)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.Unmarshal(signed, &hers), json.Unmarshal(stolen, &his)); err != nil {
		t.Fatal(err)
	}
	his.Invite = hers.Invite
	forged, err := json.Marshal(his)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAnnouncement(forged); !errors.Is(err, ErrMalformed) {
		t.Errorf("an invitation seen on the wire was used again: %v", err)
	}
	hers.Invite.Signature = hers.Signature // a signature of something else
	if forged, err = json.Marshal(hers); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAnnouncement(forged); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestInviteText(t *testing.T) {
	i := NewInvite()
	if got, err := ParseInvite(i.Text()); err != nil || got != i {
		t.Errorf("%q: %v", i.Text(), err)
	}
	if text := fmt.Sprintf("%v %s", i, i); strings.Contains(text, i.Text()) {
		t.Error("a secret is printed by accident")
	}
	for _, bad := range []string{"", "0", i.Text() + "1", i.Text()[1:] + "é"} {
		if _, err := ParseInvite(bad); !errors.Is(err, ErrMalformed) || bad != "" && strings.Contains(err.Error(), bad) && bad != "0" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// The key of a known secret, by another implementation of HKDF and Ed25519.
	var fixed Invite
	copy(fixed[:], "sixteen bytes ok")
	if got := fixed.Key().Public().String(); got != "HgDn6FBFakVBotf8Xfb6pJqV5kY7YdLvxaeeJHbNmYCp" {
		t.Errorf("the key of a known secret is %s", got)
	}
}
