package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// Template writes the file that says the same as c: every setting with its
// help, those that are as in defaults behind a #.
func Template(program string, c, defaults Config) []byte {
	var out bytes.Buffer
	out.WriteString(comment("Settings of " + program + ". What stands behind a # is the default. " +
		"Flags and environment variables go before this file; see " + program + " run --help."))
	fmt.Fprintf(&out, "\nversion = %d\n", Version)
	section := ""
	usual := Settings(defaults)
	for i, s := range Settings(c) {
		if s.Section != section {
			section = s.Section
			fmt.Fprintf(&out, "\n[%s]\n", section)
		}
		fmt.Fprintf(&out, "\n%s", comment(s.Help))
		line := s.line()
		if line == usual[i].line() {
			line = "# " + line
		}
		out.WriteString(line)
	}
	return out.Bytes()
}

// line is the line of a file that sets s.
func (s Setting) line() string {
	value := s.value.Interface()
	if s.IsList() && s.value.Len() == 0 {
		value = []string{} // the encoder leaves out what is nil
	}
	var b bytes.Buffer
	// A map of one value that is a text, number, switch or list of texts
	// always encodes.
	if err := toml.NewEncoder(&b).Encode(map[string]any{s.Name: value}); err != nil {
		panic("config: " + err.Error())
	}
	return b.String()
}

// width is how long the lines of comments get.
const width = 78

// comment wraps a text into lines that begin with a #.
func comment(text string) string {
	var out strings.Builder
	n := 0
	for word := range strings.FieldsSeq(text) {
		if n == 0 || n+1+len(word) > width {
			if n > 0 {
				out.WriteByte('\n')
			}
			out.WriteByte('#')
			n = 1
		}
		out.WriteString(" " + word)
		n += 1 + len(word)
	}
	out.WriteByte('\n')
	return out.String()
}
