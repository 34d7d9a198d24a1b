package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every code of errors.go has its line in sdk/index.d.ts. This test runs natively,
// where the program itself does not build.
func TestCodesAreDeclared(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	declared, err := os.ReadFile("../../sdk/src/index.d.ts")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\tcode\w+ +(?:code +)?= "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 20 {
		t.Fatalf("only %d codes were found in errors.go", len(codes))
	}
	for _, c := range codes {
		if !strings.Contains(string(declared), "  | '"+c[1]+"'") {
			t.Errorf("sdk/src/index.d.ts does not have the code %q", c[1])
		}
	}
}
