package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func names(all []example) (names []string) {
	for _, e := range all {
		names = append(names, e.name)
	}
	return names
}

// What does not run is somebody's decision: an example without a row, or one whose
// tool is missing, is an error.
func TestChoose(t *testing.T) {
	if err := checkFolders(".."); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "forgotten"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := checkFolders(dir); err == nil || !strings.Contains(err.Error(), "forgotten") {
		t.Errorf("a folder without a row: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, _, err := choose(nil, nil); err == nil || !strings.Contains(err.Error(), "which is not installed") {
		t.Errorf("nothing is installed: %v", err)
	}
	everything := []string{"python3", "node", "curl", "npm", "chromium"}
	t.Chdir("../..")
	chosen, skipped, err := choose(everything, nil)
	if err != nil || !slices.Equal(names(chosen), []string{"hello", "talk", "grpc"}) || !slices.Contains(skipped, [2]string{"notes", "needs python3"}) {
		t.Errorf("without anything: %v, %v, %v", names(chosen), skipped, err)
	}
	if chosen, _, err = choose(nil, []string{"talk"}); err != nil || !slices.Equal(names(chosen), []string{"talk"}) {
		t.Errorf("only talk: %v, %v", names(chosen), err)
	}
	if _, _, err = choose(nil, []string{"tlak"}); err == nil {
		t.Error("an example that is not there")
	}
}
