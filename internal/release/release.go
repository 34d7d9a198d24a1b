package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// product is what all files of a release are named after.
const product = "nym-socks5"

// A Config says what release to make.
type Config struct {
	// Repository is a folder of a git repository, and Revision what of it to
	// build. Both are needed.
	Repository, Revision string
	// Out is the folder that the release is written to. It must be empty, or not
	// be there.
	Out string
	// Targets are the platforms. If empty, they are [Targets].
	Targets []Target
	// Packages are the patterns of programs. If empty, it is ./cmd/....
	Packages []string
	// Log is told of each step. If nil, nobody is.
	Log io.Writer

	cache string // of the toolchain; empty: the usual one
}

func (c Config) withDefaults() Config {
	if len(c.Targets) == 0 {
		c.Targets = Targets
	}
	if len(c.Packages) == 0 {
		c.Packages = []string{"./cmd/..."}
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	return c
}

// Make makes a release: in Out an archive and an SBOM for each target and the
// checksums of all, and below stage the same unpacked, for those who make packages.
func Make(ctx context.Context, cfg Config) (err error) {
	cfg = cfg.withDefaults()
	if cfg.Out, err = filepath.Abs(cfg.Out); err != nil {
		return err
	}
	switch entries, err := os.ReadDir(cfg.Out); {
	case err == nil && len(entries) > 0:
		return fmt.Errorf("release: %s is not empty, and nothing was changed", cfg.Out)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	temp, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	m := &maker{Config: cfg, source: filepath.Join(temp, "source"), temp: temp, built: make(map[Target][]program)}
	for _, step := range []func(context.Context) error{m.checkOut, m.compile, m.describe, m.pack, m.sum} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A maker makes one release, step by step.
type maker struct {
	Config
	source, temp string
	built        map[Target][]program
	from         origin
}

func (m *maker) say(format string, args ...any) { fmt.Fprintf(m.Log, format+"\n", args...) }

// stage is where the files of an archive are, before they are packed.
func (m *maker) stage(t Target) string { return filepath.Join(m.Out, "stage", t.name()) }

func (m *maker) checkOut(ctx context.Context) error {
	return checkout(ctx, m.Repository, m.Revision, m.source)
}

// compile builds for all targets, and for this machine, on which programs print
// their manual pages.
func (m *maker) compile(ctx context.Context) error {
	build := func(t Target, bin string) (err error) {
		m.say("building for %v", t)
		if err := compile(ctx, m.source, t, bin, m.cache, m.Packages); err != nil {
			return err
		}
		m.built[t], err = programs(bin, t)
		return err
	}
	for _, t := range m.Targets {
		if err := build(t, filepath.Join(m.stage(t), "bin")); err != nil {
			return err
		}
	}
	if !slices.Contains(m.Targets, thisMachine) {
		if err := build(thisMachine, filepath.Join(m.temp, "bin")); err != nil {
			return err
		}
	}
	for _, all := range m.built {
		for _, p := range all {
			from, err := originOf(p.info)
			if err != nil {
				return fmt.Errorf("%w: %s", err, p.name)
			}
			m.from = from // the same of all: there is one source
		}
	}
	return nil
}

var thisMachine = Target{runtime.GOOS, runtime.GOARCH}

// describe writes what goes with the programs.
func (m *maker) describe(ctx context.Context) error {
	here := m.built[thisMachine]
	if err := writeTexts(ctx, here, forUser, filepath.Join(m.temp, "texts")); err != nil {
		return err
	}
	system := filepath.Join(m.Out, "stage", "system")
	if err := errors.Join(writeTexts(ctx, here, forSystem, system), writeUnits(here, filepath.Join(system, "systemd"))); err != nil {
		return err
	}
	for _, t := range m.Targets {
		licenses, err := licensesOf(ctx, m.source, m.built[t])
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(m.stage(t), "LICENSES-of-others.txt"), licenses, 0o644); err != nil {
			return err
		}
		if t.OS != "windows" {
			if err := os.CopyFS(m.stage(t), os.DirFS(filepath.Join(m.temp, "texts"))); err != nil {
				return err
			}
		}
		if err := os.CopyFS(filepath.Join(m.stage(t), "docs"), os.DirFS(filepath.Join(m.source, "docs"))); err != nil {
			return err
		}
		for _, file := range documents {
			if err := copyFile(filepath.Join(m.stage(t), file), filepath.Join(m.source, file)); err != nil {
				return err
			}
		}
	}
	return nil
}

// documents of the repository are in every archive, and all that is in docs.
var documents = []string{"README.md", "LICENSE", "CHANGELOG.md"}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// pack writes the archives and the SBOMs.
func (m *maker) pack(context.Context) error {
	for _, t := range m.Targets {
		top := strings.Join([]string{product, m.from.Version, t.name()}, "_")
		m.say("packing %s", top)
		end := ".tar.gz"
		if t.OS == "windows" {
			end = ".zip"
		}
		if err := archive(filepath.Join(m.Out, top+end), top, m.stage(t), m.from.Time); err != nil {
			return err
		}
		list, err := writeSBOM(m.built[t], m.from, t)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(m.Out, top+".cdx.json"), list, 0o644); err != nil {
			return err
		}
	}
	about := fmt.Sprintf("version=%s\nrevision=%s\ntime=%d\n", m.from.Version, m.from.Revision, m.from.Time.Unix())
	return os.WriteFile(filepath.Join(m.Out, "stage", "about"), []byte(about), 0o644)
}

// sum writes the checksums.
func (m *maker) sum(context.Context) error { return WriteSums(m.Out) }

// sums is the name of the file with the checksums of all others beside it, in
// the form that sha256sum -c reads.
const sums = "SHA256SUMS"

// WriteSums writes the checksums of all files of a folder, not of those below it.
func WriteSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	b := new(bytes.Buffer)
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == sums {
			continue
		}
		sum, err := sumOf(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%x  %s\n", sum, e.Name())
	}
	return os.WriteFile(filepath.Join(dir, sums), b.Bytes(), 0o644)
}

func sumOf(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// Check makes a release twice, in two folders and with two caches of the
// toolchain, and reports the first file that differs. Out is not used.
func Check(ctx context.Context, cfg Config) (err error) {
	cfg = cfg.withDefaults()
	temp, err := os.MkdirTemp("", "release-check-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	one, two := cfg, cfg
	one.Out, two.Out = filepath.Join(temp, "one"), filepath.Join(temp, "elsewhere", "two")
	two.cache = filepath.Join(temp, "cache")
	for _, c := range []Config{one, two} {
		if err := Make(ctx, c); err != nil {
			return err
		}
	}
	files, err := compare(one.Out, two.Out)
	if err == nil {
		fmt.Fprintf(cfg.Log, "%d files, byte for byte the same in two builds\n", files)
	}
	return err
}

// compare compares all files below two folders, and counts them.
func compare(one, two string) (files int, err error) {
	a, err := sumsBelow(one)
	if err != nil {
		return 0, err
	}
	b, err := sumsBelow(two)
	if err != nil {
		return 0, err
	}
	for name := range b {
		if _, there := a[name]; !there {
			return 0, fmt.Errorf("release: only one of two builds has %s", name)
		}
	}
	for name, sum := range a {
		switch other, there := b[name]; {
		case !there:
			return 0, fmt.Errorf("release: only one of two builds has %s", name)
		case sum != other:
			return 0, fmt.Errorf("release: two builds differ in %s", name)
		}
	}
	return len(a), nil
}

func sumsBelow(dir string) (map[string]string, error) {
	all := make(map[string]string)
	err := eachFile(dir, func(name string, _ os.FileMode, _ int64, content io.Reader) error {
		h := sha256.New()
		_, err := io.Copy(h, content)
		all[name] = string(h.Sum(nil))
		return err
	})
	return all, err
}
