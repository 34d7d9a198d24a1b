package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

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
	err = Parse(b, c)
	for _, s := range Settings(c) {
		s.anchor(filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
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
	if _, err := toml.Decode(fmt.Sprintf("version = %d", *head.Version), c); err != nil {
		return syntax(err)
	}
	// Setting by setting, so that all that is wrong is said at once.
	var text map[string]toml.Primitive
	meta, err := toml.Decode(string(b), &text)
	if err != nil {
		return syntax(err)
	}
	sections := make(map[string]map[string]toml.Primitive)
	var errs []error
	for _, s := range Settings(c) {
		if _, read := sections[s.Section]; !read {
			section := make(map[string]toml.Primitive)
			if p, there := text[s.Section]; there {
				if err := meta.PrimitiveDecode(p, &section); err != nil {
					errs = append(errs, invalid("%s is no section", s.Section))
				}
			}
			sections[s.Section] = section
		}
		if p, there := sections[s.Section][s.Name]; there {
			errs = append(errs, s.decode(meta, p))
		}
	}
	known := append(keys(c), "version")
	return errors.Join(errors.Join(errs...), unknown(undecoded(meta, known), known))
}

// decode takes the value of a file over.
func (s Setting) decode(meta toml.MetaData, p toml.Primitive) error {
	before := reflect.New(s.value.Type()).Elem()
	before.Set(s.value)
	err := meta.PrimitiveDecode(p, s.value.Addr().Interface())
	if err == nil {
		return nil
	}
	s.value.Set(before) // other checks are not to stumble over half a value
	if _, address := s.value.Interface().(netip.AddrPort); address {
		var text any
		if meta.PrimitiveDecode(p, &text) == nil {
			return invalid("%s: %q is no IP and port; write it like 127.0.0.1:1080", s.Key(), fmt.Sprint(text))
		}
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "toml: "), "incompatible types: ")
	if i := strings.Index(text, "): "); strings.HasPrefix(text, "line ") || strings.HasPrefix(text, "(last key") {
		text = text[max(0, i+3):]
	}
	return invalid("%s: %s", s.Key(), strings.Join(strings.Fields(text), " "))
}

// undecoded lists the keys of a file that nobody read.
func undecoded(meta toml.MetaData, known []string) (all []toml.Key) {
	for _, key := range meta.Keys() {
		if !slices.Contains(known, key.String()) {
			all = append(all, key)
		}
	}
	return all
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
		if slices.Contains(wrong, name) {
			continue // it stands in several tables of an array
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
