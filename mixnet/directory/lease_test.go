package directory

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"nym-socks5/mixnet/keys"
)

// nodes.md §4.11: what a directory answers to an announcement.
func TestAnswersToAnnouncements(t *testing.T) {
	head := Head{Network: "test", Sequence: 7, Topology: Hash{1}}
	head.Sign(keys.NewIdentityKey())
	lease := Lease{Length: 90 * time.Second, Layer: 2, Head: head}
	b, err := json.Marshal(lease)
	if err != nil {
		t.Fatal(err)
	}
	var back Lease
	if err := json.Unmarshal(b, &back); err != nil || back != lease {
		t.Errorf("%s reads as %+v, %v", b, back, err)
	}
	for _, bad := range []string{
		`{"lease_seconds":0}`, `{"lease_seconds":-1}`, `{"lease_seconds":86401}`, `{"lease_seconds":1e300}`,
		`{"lease_seconds":60,"layer":4}`, `{"lease_seconds":"60"}`, `[]`,
	} {
		if err := json.Unmarshal([]byte(bad), &back); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	refused := Refusal{Code: CodeSequence, Message: "seen", Sequence: 9}
	if b, err = json.Marshal(refused); err != nil {
		t.Fatal(err)
	}
	var again Refusal
	if err := json.Unmarshal(b, &again); err != nil || again != refused {
		t.Errorf("%s reads as %+v, %v", b, again, err)
	}
	if err := json.Unmarshal([]byte(`{"error":{"code":"a\nb","message":"\u001b[31m"}}`), &again); err != nil || again.Code != "a?b" || again.Message != "?[31m" {
		t.Errorf("read %+v: not fit for a log", again)
	}
	if err := json.Unmarshal([]byte(`{"error":{}}`), &again); !errors.Is(err, ErrMalformed) {
		t.Errorf("a refusal without a code: %v", err)
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"lease_seconds":60,"layer":1}`))
	f.Add([]byte(`{"error":{"code":"busy","message":"later","sequence":3}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l, l2 Lease
		if json.Unmarshal(b, &l) == nil {
			out, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(out, &l2); err != nil || l2.Layer != l.Layer || (l2.Length-l.Length).Abs() > time.Microsecond {
				t.Fatalf("%q is written as %q: %v", b, out, err)
			}
		}
		var r, r2 Refusal
		if json.Unmarshal(b, &r) == nil {
			out, _ := json.Marshal(r)
			if err := json.Unmarshal(out, &r2); err != nil || r2 != r {
				t.Fatalf("%q is written as %q: %v", b, out, err)
			}
		}
	})
}
