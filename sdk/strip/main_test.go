package main

import (
	"bytes"
	"compress/flate"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// build makes a small program for js/wasm. The tests of the package in sdk/ run
// stripped ones.
func build(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	source := "package main\n\nfunc main() { panic(\"on purpose\") }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", "main.wasm", "main.go")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOFLAGS=", "GO111MODULE=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "main.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func packed(t *testing.T, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

func TestStrip(t *testing.T) {
	program := build(t)
	stripped := bytes.Clone(program)
	if err := strip(stripped); err != nil {
		t.Fatal(err)
	}
	if was, is := packed(t, program), packed(t, stripped); is > was*95/100 {
		t.Errorf("%d bytes, compressed, of %d: want 5 %% less", is, was)
	}
	for _, name := range []string{"runtime.gopanic", "main.main"} {
		if !bytes.Contains(stripped, []byte(name)) {
			t.Errorf("the function %s has lost its name", name)
		}
	}
	if !bytes.Contains(program, []byte("runtime/panic.go")) || bytes.Contains(stripped, []byte("runtime/panic.go")) {
		t.Error("the names of files are still there, or never were")
	}
	again := bytes.Clone(stripped)
	if err := strip(again); err != nil || !bytes.Equal(again, stripped) {
		t.Errorf("a stripped program changes when it is stripped again (%v)", err)
	}
}

// What is no program of Go's linker is refused, and a file of it is left alone.
func TestStripRefuses(t *testing.T) {
	program := build(t)
	twice := bytes.Clone(program)
	at := bytes.Index(twice, []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8})
	copy(twice[at+64:], twice[at:at+8])
	newer := bytes.Clone(program)
	newer[at]++
	for name, b := range map[string][]byte{
		"empty": nil, "no program": []byte("#!/bin/sh"), "only a header": program[:8], "cut off": program[:len(program)/2],
		"two tables": twice, "another table": newer,
	} {
		file := filepath.Join(t.TempDir(), "program.wasm")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := stripFile(file); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: the file was changed (%v)", name, err)
		}
	}
}

func FuzzStrip(f *testing.F) {
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x0b\x08\x01\x00\x41\x00\x0b\x01\xf1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if size := len(b); strip(b) == nil && len(b) != size {
			t.Error("the size has changed")
		}
	})
}
