package release

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licenseFile is how files are named in which others say on what terms we may
// pass their code on.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// licensesOf collects the licenses of all modules that are in some programs, and
// that of Go. A module without one is an error: it must not be passed on.
func licensesOf(ctx context.Context, source string, all []program) ([]byte, error) {
	dirs := make(map[string]string)
	env := []string{"GOFLAGS=", "GOWORK=off"}
	for _, p := range all {
		for _, m := range p.info.Deps {
			dirs[m.Path] = ""
		}
	}
	paths := slices.Sorted(maps.Keys(dirs))
	if len(paths) > 0 {
		out, err := command(ctx, source, env, "go", append([]string{"list", "-mod=readonly", "-m", "-json"}, paths...)...)
		if err != nil {
			return nil, err
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var m struct{ Path, Dir string }
			if err := d.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			dirs[m.Path] = m.Dir
		}
	}
	root, err := command(ctx, source, env, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	dirs["the Go standard library"] = strings.TrimSpace(string(root))

	b := new(bytes.Buffer)
	for _, path := range slices.Sorted(maps.Keys(dirs)) {
		if err := appendLicenses(b, path, dirs[path]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// appendLicenses writes the licenses that are in the folder of a module.
func appendLicenses(b *bytes.Buffer, name, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("release: license of %s: %w", name, err)
	}
	found := 0
	for _, e := range entries {
		if !e.Type().IsRegular() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "==== %s: %s\n\n%s\n\n", name, e.Name(), bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
		found++
	}
	if found == 0 {
		return fmt.Errorf("release: %s has no license", name)
	}
	return nil
}
