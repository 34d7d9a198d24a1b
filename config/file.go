package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxFile is the size of the largest file that is read, in bytes.
const maxFile = 1 << 20

// Load reads a file into c, over what c has already. Errors of the file's
// content wrap [ErrInvalid] and name the file; those of reading it are of
// package os.
func Load(file string, c Config) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if info, err := os.Stat(file); err != nil {
		return err
	} else if info.Size() > maxFile {
		return invalid("%s: it has %d bytes, which is more than any configuration needs", file, info.Size())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := Parse(b, c); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, s := range Settings(c) {
		s.anchor(filepath.Dir(file))
	}
	return nil
}

// Parse reads the text of a file into c, over what c has already. It does not
// call Check. Its errors wrap [ErrInvalid].
func Parse(b []byte, c Config) error {
	var head struct {
		Version *int `toml:"version"`
	}
	if _, err := toml.Decode(string(b), &head); err != nil {
		return syntax(err)
	}
	switch v := head.Version; {
	case v == nil:
		return invalid("there is no version; the first line must be: version = %d", Version)
	case *v > Version:
		return invalid("it is of version %d, and this program knows versions up to %d: use a newer program", *v, Version)
	case *v < 1:
		return invalid("there is no version %d", *v)
	}
	meta, err := toml.Decode(string(b), c)
	if err != nil {
		return syntax(err)
	}
	return unknown(meta.Undecoded(), keys(c))
}

// syntax makes one line of what the TOML library says.
func syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "toml: ")
	return invalid("%s", strings.Join(strings.Fields(text), " "))
}

// unknown reports keys that mean nothing, and what may have been meant.
func unknown(found []toml.Key, known []string) error {
	var wrong []string
	for _, key := range found {
		name := key.String()
		if len(wrong) > 0 && strings.HasPrefix(name, wrong[len(wrong)-1]+".") {
			continue // the section is unknown, so its keys need no mention
		}
		wrong = append(wrong, name)
	}
	if len(wrong) == 0 {
		return nil
	}
	for i, name := range wrong {
		if meant, ok := Closest(name, known); ok {
			wrong[i] = fmt.Sprintf("%s (did you mean %s?)", name, meant)
		}
	}
	return invalid("unknown key: %s", strings.Join(wrong, ", "))
}

// keys lists all keys and sections of a file.
func keys(c Config) []string {
	all := []string{"version"}
	for _, s := range Settings(c) {
		if !slices.Contains(all, s.Section) {
			all = append(all, s.Section)
		}
		all = append(all, s.Key())
	}
	return all
}
