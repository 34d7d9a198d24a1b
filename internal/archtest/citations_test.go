package archtest

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// specFolder has the pages that code cites, by file name.
const specFolder = "docs/spec"

var (
	heading  = regexp.MustCompile(`^#{1,5} (?:(\d+(?:\.\d+)*)\.? |([A-Z])\. |Appendix ([A-Z])\b)`)
	item     = regexp.MustCompile(`^(\d+)\. `)
	rule     = regexp.MustCompile(`^- \*\*(H\d\d)\*\*`)
	page     = regexp.MustCompile(`\b(sphinx|nodes|socks|sdk-streams|hardening)\.md\b`)
	section  = regexp.MustCompile(`^,? ?(?:and |to |or )?(?:§ ?(\d+(?:\.\d+)*(?: [A-F]\b)?)|[Aa]ppendix ([A-Z])\b)`)
	ruleName = regexp.MustCompile(`\bH\d\d\b`)
)

// A spec is one page of the specifications: the places in it that can be cited.
type spec map[string]bool

// parseSpec lists the places of a page: "3", "3.4.1", "10 A" (a lettered part of
// a section), "23.5" (an item of a numbered list of a section without parts),
// "appendix A" and "H07".
func parseSpec(text []byte) spec {
	s := make(spec)
	at := ""
	for _, line := range bytes.Split(text, []byte("\n")) {
		if m := heading.FindSubmatch(line); m != nil {
			switch {
			case m[1] != nil:
				at = string(m[1])
				s[at] = true
			case m[2] != nil:
				top, _, _ := strings.Cut(at, " ")
				at = top + " " + string(m[2])
				s[at] = true
			default:
				at = "appendix " + string(m[3])
				s[at] = true
			}
		} else if m := item.FindSubmatch(line); m != nil && at != "" {
			s[at+"."+string(m[1])] = true
		} else if m := rule.FindSubmatch(line); m != nil {
			s[string(m[1])] = true
		}
	}
	return s
}

// A citation is a place of a page that a text names.
type citation struct{ page, place string }

// citations finds what a text cites. A page that is named alone is a citation
// without a place. Line breaks within a comment are folded.
func citations(text string) (all []citation) {
	text = folded.ReplaceAllString(text, " ")
	for _, at := range page.FindAllStringSubmatchIndex(text, -1) {
		name, rest := text[at[2]:at[3]], text[at[1]:]
		all = append(all, citation{page: name})
		for {
			m := section.FindStringSubmatch(rest)
			if m == nil {
				break
			}
			place := m[1]
			if m[2] != "" {
				place = "appendix " + m[2]
			}
			all = append(all, citation{name, place})
			rest = rest[len(m[0]):]
		}
	}
	return all
}

// folded is the end of a line of a comment and the beginning of the next.
var folded = regexp.MustCompile(`[ \t]*\n[ \t]*(?://|#)?[ \t]*`)

// wrongCitations says which places a text cites that do not exist, and which
// rules it names that do not.
func wrongCitations(specs map[string]spec, text string) (wrong []string) {
	for _, c := range citations(text) {
		switch s := specs[c.page]; {
		case s == nil:
			wrong = append(wrong, c.page+".md does not exist")
		case c.place != "" && !s[c.place]:
			wrong = append(wrong, c.page+".md has no "+c.place)
		}
	}
	for _, name := range ruleName.FindAllString(text, -1) {
		if !specs["hardening"][name] {
			wrong = append(wrong, "hardening.md has no "+name)
		}
	}
	return wrong
}

func readSpecs(t *testing.T, root string) map[string]spec {
	t.Helper()
	specs := make(map[string]spec)
	pages, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(specFolder), "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		specs[strings.TrimSuffix(filepath.Base(p), ".md")] = parseSpec(text)
	}
	return specs
}

// files calls f for every file of the repository with one of the endings.
func files(t *testing.T, root string, endings []string, f func(name string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n := d.Name(); d.IsDir() && name != root && (n == "node_modules" || n == "target" || n == "bin" || n == "dist" || n == ".git") {
			return fs.SkipDir
		}
		if d.IsDir() || !slices.Contains(endings, filepath.Ext(name)) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil {
			rel, _ := filepath.Rel(root, name)
			f(filepath.ToSlash(rel), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCitations holds that what code, scripts and documents cite of the
// specifications exists.
func TestCitations(t *testing.T) {
	root := "../.."
	specs := readSpecs(t, root)
	seen := 0
	files(t, root, []string{".go", ".md", ".txt", ".rs", ".ts", ".js", ".mjs", ".s"}, func(name string, text []byte) {
		if name == "internal/archtest/citations_test.go" {
			return
		}
		seen += len(citations(string(text)))
		for _, w := range wrongCitations(specs, string(text)) {
			t.Errorf("%s: %s", name, w)
		}
	})
	if seen < 400 {
		t.Errorf("saw %d citations: is this the repository?", seen)
	}
}

// The test of citations can fail.
func TestCitationsFindFaults(t *testing.T) {
	specs := map[string]spec{
		"nodes":     parseSpec([]byte("# N\n## 1. A\n### 1.4 B\n### 1.4.1 C, d\n## 10. V\n### A. K\n### B. L\n## 23. T\n1. one\n2. two\n## Appendix A. V\n")),
		"hardening": parseSpec([]byte("# H\n- **H07** Packets\n")),
	}
	for text, want := range map[string]int{
		"// nodes.md §1.4 and §1.4.1, §10 B":       0,
		"// see nodes.md\n// §1.4.1: \"a node\"":   0,
		"nodes.md appendix A; nodes.md Appendix A": 0,
		"nodes.md §23.2 (nodes.md §23)":            0,
		"hardening.md H07, TestH07x H07":           0,
		"nodes.md":                                 0,
		"nodes.md §1.5":                            1,
		"nodes.md §1.4, §1.9 and §1.4.2":           2,
		"nodes.md §10 C":                           1,
		"nodes.md §23.3":                           1,
		"nodes.md appendix B":                      1,
		"socks.md §1":                              2, // the page alone, and its section
		"hardening.md H08":                         1,
		"(H42)":                                    1,
	} {
		if got := wrongCitations(specs, text); len(got) != want {
			t.Errorf("%q: %q, want %d faults", text, got, want)
		}
	}
}

// link is a link of Markdown to something in the repository.
var link = regexp.MustCompile(`\]\(([^)#\s:]+)(?:#[^)\s]*)?\)`)

// TestLinks holds that documents link to files that exist.
func TestLinks(t *testing.T) {
	root := "../.."
	seen := 0
	files(t, root, []string{".md"}, func(name string, text []byte) {
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 1<<20)
		for n := 1; lines.Scan(); n++ {
			for _, m := range link.FindAllStringSubmatch(lines.Text(), -1) {
				seen++
				if _, err := os.Stat(filepath.Join(root, filepath.Dir(filepath.FromSlash(name)), filepath.FromSlash(m[1]))); err != nil {
					t.Errorf("%s:%d: %s does not exist", name, n, m[1])
				}
			}
		}
		if err := lines.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	if seen < 20 {
		t.Errorf("saw %d links: is this the repository?", seen)
	}
}

// block is Go code in a document, with the file that has it.
var block = regexp.MustCompile("(?ms)^<!-- (\\S+\\.go) -->\n```go\n(.*?)^```$")

// TestCodeInDocuments holds that the code which documents show stands in the files
// that they name, letter for letter.
func TestCodeInDocuments(t *testing.T) {
	root := "../.."
	seen := 0
	files(t, root, []string{".md"}, func(name string, text []byte) {
		for _, m := range block.FindAllSubmatch(text, -1) {
			seen++
			code, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(string(m[1]))))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if !bytes.Contains(code, m[2]) {
				t.Errorf("%s: %s does not have\n%s", name, m[1], m[2])
			}
		}
	})
	if seen < 5 {
		t.Errorf("saw %d blocks of code: is this the repository?", seen)
	}
}

// TestDecisionsAreListed holds that docs/decisions/README.md has a row for every page,
// with its title, behind which it may say that another page replaced it, and no others.
func TestDecisionsAreListed(t *testing.T) {
	const folder = "../../docs/decisions"
	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string) // by what they begin with, a link
	for line := range strings.Lines(string(readme)) {
		if link, title, ok := strings.Cut(line, ") | "); ok && strings.HasPrefix(line, "| [") {
			rows[link+") | "] = title
		}
	}
	pages, err := filepath.Glob(filepath.Join(folder, "[0-9]*.md"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, path := range pages {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		first, _, _ := strings.Cut(string(text), "\n")
		title, ok := strings.CutPrefix(first, "# "+name[:4]+" ")
		if !ok {
			t.Errorf("%s begins with %q, want # %s and a title", name, first, name[:4])
		}
		link := "| [" + name[:4] + "](" + name + ") | "
		if !strings.HasPrefix(rows[link], title) {
			t.Errorf("docs/decisions/README.md lacks the row %s%s |", link, title)
		}
		delete(rows, link)
	}
	for link := range rows {
		t.Errorf("docs/decisions/README.md has a row of no page: %s", link)
	}
}
