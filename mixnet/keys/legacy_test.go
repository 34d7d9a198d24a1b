package keys

import (
	"bytes"
	"fmt"
	"nym-socks5/internal/vectest"
	"testing"
)

// nodes.md §1.4.2: "Kenc = okm[0:16], Kmac = okm[16:32]"
func TestLegacySession(t *testing.T) {
	okm := vectest.Unhex32(t, "0fef404269dcce1f093242d068175d8a7f00114c4215c6bf4031b67c22505f72")
	k := LegacySessionFromBytes(okm)
	if !bytes.Equal(k.Cipher(), okm[:16]) || !bytes.Equal(k.MAC(), okm[16:]) || *k.Bytes() != okm {
		t.Errorf("parts %x and %x of %x", k.Cipher(), k.MAC(), okm)
	}
	if !k.Equal(LegacySessionFromBytes(okm)) || k.Equal(LegacySessionFromBytes(filled(1))) {
		t.Error("Equal is wrong")
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(form, k); got != "keys.LegacySession" {
			t.Errorf("%s prints %q", form, got)
		}
	}
}
