package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The errors that a program of the library meets are explained in docs/library.md: every
// exported one of the packages that it imports.
func TestErrorsAreExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("../..", "docs/library.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^(?:var )?\s?(Err[A-Z]\w*)\s+= errors\.New`)
	n := 0
	for _, dir := range []string{"endpoint", "proxy", "mixnet", "mixnet/directory"} {
		files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllSubmatch(code, -1) {
				n++
				if name := filepath.Base(dir) + "." + string(m[1]); !strings.Contains(string(text), "`"+name+"`") {
					t.Errorf("docs/library.md does not explain %s", name)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("found %d errors; the expression finds too few", n)
	}
}
