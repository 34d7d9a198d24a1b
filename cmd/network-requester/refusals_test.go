package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nym-socks5/allowlist"
)

// Refused targets are written down where the operator wants it, within bounds, most
// refused first, and are still there after a restart; without the wish no file stays.
func TestRefusedTargetsAreWrittenDown(t *testing.T) {
	path := filepath.Join(t.TempDir(), refusedFile)
	open := func(keep bool) *refusals {
		t.Helper()
		r, err := openRefusals(path, keep)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	noLine := &allowlist.DeniedError{Reason: allowlist.ReasonNoLine}
	r := open(true)
	r.add("often.example.org", 443, noLine)
	r.add("OFTEN.example.org", 443, noLine)
	for i := range 2 * maxRefused {
		r.add(fmt.Sprintf("flood-%d.example.org", i), 443, noLine)
	}
	r.add("2606:4700::1111", 53, fmt.Errorf("changed meanwhile"))
	if err := r.save(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() > maxOfFile {
		t.Fatalf("%v, mode %v, %d bytes", err, info.Mode(), info.Size())
	}
	list, err := readRefusals(path)
	if err != nil || len(list) != maxRefused || list[0].Target != "often.example.org:443" || list[0].Times != 2 {
		t.Fatalf("%v; %d targets, first %+v", err, len(list), list[:1])
	}
	again := open(true)
	again.add("often.example.org", 443, noLine)
	if got := again.targets["often.example.org:443"]; got.Times != 3 || got.Reason != "no line allows it" {
		t.Errorf("after a restart %+v", got)
	}
	if _, known := again.targets["[2606:4700::1111]:53"]; !known {
		t.Error("the last one was forgotten")
	}
	open(false).add("more.example.org", 443, noLine)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("targets stay on disk though they are not to be kept: %v", err)
	}
}

// The counts of the log are bounded too: strangers choose the ports.
func TestRefusedKindsAreBounded(t *testing.T) {
	r, err := openRefusals(filepath.Join(t.TempDir(), refusedFile), false)
	if err != nil {
		t.Fatal(err)
	}
	for port := range uint16(1000) {
		r.add("example.org", port, &allowlist.DeniedError{Reason: allowlist.ReasonNoLine})
	}
	lines := r.tell()
	if len(lines) != maxKinds+1 || lines[0] != fmt.Sprintf("%d: other reasons and ports", 1000-maxKinds) {
		t.Errorf("%d lines, the first %q", len(lines), lines[0])
	}
	if len(r.targets) != 0 {
		t.Errorf("%d targets are remembered though nobody asked", len(r.targets))
	}
	if lines := r.tell(); len(lines) != 0 {
		t.Errorf("told twice: %q", lines)
	}
}

// A damaged file is told of, with what to do.
func TestDamagedRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), refusedFile)
	if err := os.WriteFile(path, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openRefusals(path, true); err == nil || !strings.Contains(err.Error(), "it can be removed") {
		t.Errorf("got %v", err)
	}
}
