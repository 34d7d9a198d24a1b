package mutants

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const entry = `H30 private ranges are not looked at
proxy/requester/connect.go
- 	if bad(addr) {
- 		return
+ 	if false {
+ 		return
./proxy/requester TestH30
`

func TestParse(t *testing.T) {
	all, err := Parse("# a comment\n\n" + entry + "\n" + strings.Replace(entry, "H30", "H31", 1))
	if err != nil || len(all) != 2 {
		t.Fatalf("got %+v, %v", all, err)
	}
	want := Mutant{
		Rule: "H30", Name: "private ranges are not looked at", File: "proxy/requester/connect.go",
		Old: "\tif bad(addr) {\n\t\treturn\n", New: "\tif false {\n\t\treturn\n",
		Pkg: "./proxy/requester", Test: "TestH30",
	}
	if all[0] != want {
		t.Errorf("got %+v, want %+v", all[0], want)
	}
	for name, change := range map[string][2]string{
		"no rule":           {"H30 ", ""},
		"no name":           {" private ranges are not looked at", ""},
		"another file":      {"proxy/requester/connect.go", "../connect.go"},
		"no tests":          {"./proxy/requester TestH30\n", ""},
		"bad expression":    {"TestH30", "TestH30("},
		"nothing replaced":  {"+ \tif false {", "+ \tif bad(addr) {"},
		"no sign":           {"+ \tif", "* \tif"},
		"old lines after":   {"- \tif bad(addr) {\n", "+ \tif bad(addr) {\n"},
		"twice of one name": {entry, entry + "\n" + entry},
	} {
		if _, err := Parse(strings.Replace(entry, change[0], change[1], 1)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestApply(t *testing.T) {
	all, err := Parse(entry)
	if err != nil {
		t.Fatal(err)
	}
	m := all[0]
	if got, err := m.Apply("a\n\tif bad(addr) {\n\t\treturn\nb\n"); err != nil || got != "a\n\tif false {\n\t\treturn\nb\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, file := range []string{"", "x\tif bad(addr) {\n\t\treturn\n", m.Old + m.Old} {
		if got, err := m.Apply(file); err == nil {
			t.Errorf("%q becomes %q", file, got)
		}
	}
}

// Every mutant finds the lines it breaks, and names tests that exist.
func TestTableIsOfThisProgram(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		text, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(m.File)))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := m.Apply(string(text)); err != nil {
			t.Error(err)
		}
	}
	doc, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), Markdown(all)) {
		t.Error("docs/security.md has another table of mutants: go run ./internal/mutants/run -table prints the right one")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(entry)
	f.Add(table)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, m := range all {
			if got, err := m.Apply(m.Old); err != nil || got != m.New {
				t.Fatalf("%+v: %q, %v", m, got, err)
			}
		}
	})
}
