package proxy

import (
	"testing"
)

// socks.md §21.5: "A client whose app does not read SHOULD stop granting SURBs"
func TestUnread(t *testing.T) {
	id := &identity{kind: &peerKind{}}
	if !id.unread() {
		t.Error("without streams: read")
	}
	for i, tt := range []struct {
		surbs   int // with its Connect
		stalled int
		kind    kind
		unread  bool
	}{
		{0, 0, kindUnknown, false}, // the Messenger decides
		{furtherSURBs, 0, kindUnknown, false},
		{furtherSURBs, 1, kindUnknown, false}, // the others go on
		{furtherSURBs, 4, kindUnknown, true},
		{furtherSURBs, 5, kindOther, true},
		{furtherSURBs, 6, kindOurs, false}, // which keeps to the window, and needs them for notes and keep-alives
	} {
		if got := id.join(); got != tt.surbs {
			t.Errorf("stream %d: %d SURBs with its Connect, want %d", i, got, tt.surbs)
		}
		id.stalled = tt.stalled
		id.kind.set(tt.kind)
		if got := id.unread(); got != tt.unread {
			t.Errorf("%d streams, %d stalled: unread %v", i+1, tt.stalled, got)
		}
	}
}
