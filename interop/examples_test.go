package interop

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The scripts of examples/first-message, which speak the protocol of Nym's native
// client in Python and JavaScript: to themselves, to each other, and to one who
// is away.
func TestFirstMessage(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "go", "run", "./examples/first-message")
	cmd.Dir = ".."
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the example: %v\n%s", err, out)
	}
	for _, script := range []string{"first_message.py", "first-message.js"} {
		for _, does := range []string{"self", "send", "ask", "listen"} {
			if !strings.Contains(string(out), "$ "+script+" "+does) {
				t.Errorf("%s %s was not run:\n%s", script, does, out)
			}
		}
	}
	for _, script := range []string{"native_client.py", "native-client.js"} {
		if !strings.Contains(string(out), "$ "+script) {
			t.Errorf("%s was not run:\n%s", script, out)
		}
	}
	if n := strings.Count(string(out), "received: while you were away"); n != 2 {
		t.Errorf("%d messages to one who was away arrived, want one of each script:\n%s", n, out)
	}
}
