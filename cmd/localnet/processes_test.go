package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFlagsFirst(t *testing.T) {
	for line, want := range map[string]string{
		"localnet":                        "localnet",
		"localnet kill mix-1-1":           "localnet kill mix-1-1",
		"localnet kill mix-1-1 --dir d":   "localnet kill --dir d mix-1-1",
		"localnet kill --dir d mix-1-1":   "localnet kill --dir d mix-1-1",
		"localnet write d --hosts f -x":   "localnet write --hosts f -x d",
		"localnet stop a b":               "localnet stop a b",
		"localnet run stray --processes":  "localnet run stray --processes",
		"localnet list --dir d":           "localnet list --dir d",
		"localnet start socks --dir=here": "localnet start --dir=here socks",
	} {
		if got := strings.Join(flagsFirst(strings.Fields(line)), " "); got != want {
			t.Errorf("%q becomes %q, want %q", line, got, want)
		}
	}
}

// The pointer names the network that was started last, and goes with it.
func TestPointer(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	at := func(want string) {
		t.Helper()
		if got, err := pointedTo(); got != want || err != nil {
			t.Errorf("it points to %q, %v; want %q", got, err, want)
		}
	}
	at("")
	if dir, err := runningDir(""); err == nil {
		t.Errorf("a network runs in %q", dir)
	}
	for _, dir := range []string{"/one", "/two"} {
		if err := pointTo(dir); err != nil {
			t.Fatal(err)
		}
		at(dir)
	}
	if dir, err := runningDir("/mine"); dir != "/mine" || err != nil {
		t.Errorf("a folder that is named gives %q, %v", dir, err)
	}
	for _, c := range []struct{ gone, left string }{{"/one", "/two"}, {"/two", ""}, {"/two", ""}} {
		if err := pointAway(c.gone); err != nil {
			t.Error(err)
		}
		at(c.left)
	}
	left, err := filepath.Glob(filepath.Join(runtime, "nym-socks5", "localnet", ".*"))
	if err != nil || slices.ContainsFunc(left, func(f string) bool { return filepath.Base(f) != "." && filepath.Base(f) != ".." }) {
		t.Errorf("%q is left, %v", left, err)
	}

	// Without a runtime folder it is in that of state.
	os.Unsetenv("XDG_RUNTIME_DIR")
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	if path, err := pointer(); path != filepath.Join(state, "nym-socks5", "localnet", "running") || err != nil {
		t.Errorf("it is %s, %v", path, err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", state)
	if path, err := pointer(); path != filepath.Join(state, ".local", "state", "nym-socks5", "localnet", "running") || err != nil {
		t.Errorf("it is %s, %v", path, err)
	}
}
