package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestAssemblyIsGenerated compares what is in the package with what this program
// writes.
func TestAssemblyIsGenerated(t *testing.T) {
	for name, write := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, generate(write)) {
			t.Errorf("%s is not what gen writes: run go generate ./internal/vec8", name)
		}
	}
	found, err := filepath.Glob("../*.s")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(files) {
		t.Errorf("%d files of assembly, want %d", len(found), len(files))
	}
}
