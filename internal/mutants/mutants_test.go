package mutants

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
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
	tests := testsByFolder(t)
	for _, m := range all {
		named := regexp.MustCompile(m.Test)
		if !slices.ContainsFunc(tests[strings.TrimPrefix(m.Pkg, "./")], named.MatchString) {
			t.Errorf("%s %s: no test of %s matches %s", m.Rule, m.Name, m.Pkg, m.Test)
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

// testsByFolder lists the tests of the repository by folder, with slashes.
func testsByFolder(t *testing.T) map[string][]string {
	t.Helper()
	form := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	tests := make(map[string][]string)
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
			return fs.SkipDir
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		for _, m := range form.FindAllSubmatch(text, -1) {
			tests[path.Dir(name)] = append(tests[path.Dir(name)], string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// held finds what docs/security.md says of who holds a rule: the end of a folder's
// name, then tests in it. A name before … stands for all that begin so.
//
//	| **H30** | in short | `allowlist`: TestH30PortZero, TestH30Metadata; `vec8`: tests named TestH10… | what is open |
var held = regexp.MustCompile("`([a-z0-9/_-]+)`:|\\b(Test\\w+)(…?)")

// docs/security.md names tests that exist, where it says they are.
func TestDocNamesTestsThatExist(t *testing.T) {
	tests := testsByFolder(t)
	doc, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := 0
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| **H") || len(cells) < 4 {
			continue
		}
		rules++
		folder, named := "", 0
		for _, m := range held.FindAllStringSubmatch(cells[2], -1) {
			if m[1] != "" {
				folder = m[1]
				continue
			}
			named++
			is := func(name string) bool { return name == m[2] || m[3] != "" && strings.HasPrefix(name, m[2]) }
			found := false
			for in, names := range tests {
				if in == folder || strings.HasSuffix(in, "/"+folder) {
					found = found || slices.ContainsFunc(names, is)
				}
			}
			if !found {
				t.Errorf("%s: %s is no test of %q", cells[0], m[2], folder)
			}
		}
		if named == 0 {
			t.Errorf("%s: no test is named", cells[0])
		}
	}
	if rules < 30 {
		t.Errorf("docs/security.md says of %d rules who holds them", rules)
	}
}

// Every rule of docs/spec/hardening.md that the program follows has a mutant.
func TestEveryRuleHasAMutant(t *testing.T) {
	missing := map[string]bool{"H41": true} // parts that do not exist, docs/security.md section 4
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../docs/spec/hardening.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`(?m)^- \*\*(H\d\d)\*\*`).FindAllStringSubmatch(string(text), -1)
	if len(rules) < 40 {
		t.Fatalf("docs/spec/hardening.md has %d rules", len(rules))
	}
	for _, r := range rules {
		has := slices.ContainsFunc(all, func(m Mutant) bool { return m.Rule == r[1] })
		if has == missing[r[1]] {
			t.Errorf("%s has a mutant: %v, want %v", r[1], has, !missing[r[1]])
		}
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
