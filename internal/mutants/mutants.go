package mutants

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

//go:embed table.txt
var table string

// ErrMalformed reports a table that cannot be read.
var ErrMalformed = errors.New("mutants: malformed")

// A Mutant is one line, or a few, of the program broken on purpose.
type Mutant struct {
	Rule string // "H30"
	Name string // what is broken, in a few words
	File string // from the top folder, with slashes
	Old  string // lines as they stand in the file, once
	New  string // what stands there instead; empty: nothing
	Pkg  string // package whose tests notice: "./proxy/requester"
	Test string // regular expression of -run
}

// All gives the mutants of the table, in its order.
func All() ([]Mutant, error) { return Parse(table) }

var (
	ruleForm = regexp.MustCompile(`^H\d\d$`)
	fileForm = regexp.MustCompile(`^[a-z0-9_]+(/[a-zA-Z0-9_.-]+)*\.go$`)
)

// Parse reads a table. An entry is a paragraph:
//
//	H30 private ranges are not looked at
//	proxy/requester/connect.go
//	- 	if err := r.guard(addr); err != nil {
//	+ 	if err := r.guard(addr); false {
//	./proxy/requester TestH30
//
// Lines that begin with # are comments. Errors wrap [ErrMalformed] and name the
// entry.
func Parse(text string) (all []Mutant, err error) {
	names := make(map[string]bool)
	var entry []string
	flush := func() error {
		if len(entry) == 0 {
			return nil
		}
		m, err := parseEntry(entry)
		if err == nil && names[m.Rule+m.Name] {
			err = errors.New("there are two of this name")
		}
		if err != nil {
			return fmt.Errorf("%w: entry %q: %w", ErrMalformed, entry[0], err)
		}
		names[m.Rule+m.Name] = true
		all, entry = append(all, m), nil
		return nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			if err := flush(); err != nil {
				return nil, err
			}
		default:
			entry = append(entry, line)
		}
	}
	return all, flush()
}

func parseEntry(lines []string) (m Mutant, err error) {
	if len(lines) < 4 {
		return m, fmt.Errorf("%d lines, want at least 4: title, file, what is replaced, tests", len(lines))
	}
	var ok bool
	if m.Rule, m.Name, ok = strings.Cut(lines[0], " "); !ok || !ruleForm.MatchString(m.Rule) || m.Name == "" {
		return m, errors.New(`want a title such as "H30 private ranges are not looked at"`)
	}
	if m.File = lines[1]; !fileForm.MatchString(m.File) {
		return m, fmt.Errorf("%q is no file of the repository", m.File)
	}
	if m.Pkg, m.Test, ok = strings.Cut(lines[len(lines)-1], " "); !ok || !strings.HasPrefix(m.Pkg, "./") {
		return m, errors.New(`want tests such as "./proxy/requester TestH30" in the last line`)
	}
	if _, err := regexp.Compile(m.Test); err != nil || m.Test == "" {
		return m, fmt.Errorf("%q is no regular expression of tests", m.Test)
	}
	for _, line := range lines[2 : len(lines)-1] {
		if rest, ok := strings.CutPrefix(line, "- "); ok && m.New == "" {
			m.Old += rest + "\n"
		} else if rest, ok := strings.CutPrefix(line, "+ "); ok {
			m.New += rest + "\n"
		} else {
			return m, fmt.Errorf(`%q: want lines that begin with "- ", then lines that begin with "+ "`, line)
		}
	}
	if m.Old == "" || m.Old == m.New {
		return m, errors.New("nothing is replaced")
	}
	return m, nil
}

// Apply gives the text of the file with the mutant's lines in place. It fails
// where the lines do not stand there exactly once.
func (m Mutant) Apply(file string) (string, error) {
	file = "\n" + file // so that every line has one before it
	at := strings.Index(file, "\n"+m.Old)
	switch {
	case at < 0:
		return "", fmt.Errorf("mutants: %s %s: %s does not have the lines\n%s", m.Rule, m.Name, m.File, m.Old)
	case strings.Contains(file[at+1:], "\n"+m.Old):
		return "", fmt.Errorf("mutants: %s %s: %s has the lines twice, want once\n%s", m.Rule, m.Name, m.File, m.Old)
	}
	return file[1:at+1] + m.New + file[at+1+len(m.Old):], nil
}

// Markdown gives the mutants as a table for people.
func Markdown(all []Mutant) string {
	var b strings.Builder
	b.WriteString("| rule | what is broken | where | tests that fail |\n|---|---|---|---|\n")
	for _, m := range all {
		fmt.Fprintf(&b, "| %s | %s | `%s` | `%s`: `%s` |\n", m.Rule, m.Name, m.File, strings.TrimPrefix(m.Pkg, "./"), strings.ReplaceAll(m.Test, "|", `\|`))
	}
	return b.String()
}
