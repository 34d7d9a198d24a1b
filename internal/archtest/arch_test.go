package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is our module's path.
const module = "nym-socks5"

// A pkg is what matters of a package here. Names of ours are without the module.
type pkg struct {
	name    string
	ours    []string // imports
	outside []string
	files   []string
}

// packages reads all packages of the module for one platform. It reads the
// files in this process, so that the test is run again when one changes.
func packages(t *testing.T, goos, goarch string) (all []pkg) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = goos, goarch, false
	err = filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if n := d.Name(); dir != root && (n[0] == '.' || n[0] == '_' || n == "testdata" || n == "node_modules") {
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); dir != root && err == nil {
			return fs.SkipDir // a module of its own
		}
		b, err := ctx.ImportDir(dir, 0)
		if noGo := new(build.NoGoError); errors.As(err, &noGo) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		p := pkg{name: filepath.ToSlash(rel)}
		for _, i := range b.Imports {
			if own, ok := strings.CutPrefix(i, module+"/"); ok {
				p.ours = append(p.ours, own)
			} else {
				p.outside = append(p.outside, i)
			}
		}
		for _, f := range b.GoFiles {
			p.files = append(p.files, filepath.Join(dir, f))
		}
		all = append(all, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A row is one line of the table.
type row struct {
	anything bool
	names    []string // allowed, or forbidden if anything else is allowed
}

func parseTable(t *testing.T) map[string]row {
	t.Helper()
	rows := make(map[string]row)
	for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
		name, rest, ok := strings.Cut(line, ":")
		if _, twice := rows[name]; !ok || twice {
			t.Fatalf("bad line in the table: %q", line)
		}
		var r row
		if rest, r.anything = strings.CutPrefix(strings.TrimSpace(rest), "anything"); r.anything {
			rest = strings.TrimPrefix(strings.TrimSpace(rest), "but")
		}
		r.names = strings.Fields(rest)
		rows[name] = r
	}
	return rows
}

// match reports whether name is pattern or, if pattern ends in /*, is below it.
func match(pattern, name string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(name, dir+"/")
	}
	return name == pattern
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

// check says what is wrong with a package's imports.
func check(rows map[string]row, p pkg) (wrong []string) {
	r, ok := rows[p.name]
	if !ok {
		r, ok = rows[path.Dir(p.name)+"/*"]
	}
	if !ok {
		wrong = append(wrong, fmt.Sprintf("%s is missing from the table", p.name))
	}
	for _, i := range p.ours {
		below := func(name string) bool { return i == name || strings.HasPrefix(i, name+"/") }
		allowed := slices.Contains(r.names, i)
		if r.anything {
			allowed = !slices.ContainsFunc(r.names, below)
		}
		if ok && !allowed {
			wrong = append(wrong, fmt.Sprintf("%s must not import %s", p.name, i))
		}
	}
	for _, i := range p.outside {
		for _, o := range outside {
			if (i == o.path || strings.HasPrefix(i, o.path+"/")) && !matchAny(o.home, p.name) {
				wrong = append(wrong, fmt.Sprintf("%s must not import %s, which belongs in %v", p.name, i, o.home))
			}
		}
		if slices.Contains(lean, p.name) && slices.Contains(notInLean, i) {
			wrong = append(wrong, fmt.Sprintf("%s must not import %s: a browser has its own", p.name, i))
		}
		if slices.Contains(lowerFloors, p.name) && !slices.Contains(allowedBelow, i) &&
			slices.ContainsFunc(forbiddenBelow, func(f string) bool {
				return i == f || strings.HasSuffix(f, "/") && strings.HasPrefix(i, f)
			}) {
			wrong = append(wrong, fmt.Sprintf("%s must not import %s: it is below all connections", p.name, i))
		}
	}
	return wrong
}

// checkSource finds uses of the clock, and goroutines, in a file.
func checkSource(fset *token.FileSet, f *ast.File) (wrong []string) {
	timeName := ""
	for _, i := range f.Imports {
		if p, _ := strconv.Unquote(i.Path.Value); p == "time" {
			timeName = "time"
			if i.Name != nil {
				timeName = i.Name.Name
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			wrong = append(wrong, fmt.Sprintf("%v: a goroutine", fset.Position(n.Pos())))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && slices.Contains(clock, n.Sel.Name) {
				wrong = append(wrong, fmt.Sprintf("%v: time.%s", fset.Position(n.Pos()), n.Sel.Name))
			}
		}
		return true
	})
	return wrong
}

func TestArchitecture(t *testing.T) {
	rows := parseTable(t)
	there := make(map[string]bool)
	for _, platform := range []struct{ goos, goarch string }{{"linux", "amd64"}, {"js", "wasm"}} {
		t.Run(platform.goos, func(t *testing.T) {
			seen := 0
			for _, p := range packages(t, platform.goos, platform.goarch) {
				seen++
				there[p.name], there[path.Dir(p.name)+"/*"] = true, true
				for _, w := range check(rows, p) {
					t.Error(w)
				}
				if !slices.Contains(lowerFloors, p.name) {
					continue
				}
				fset := token.NewFileSet()
				for _, name := range p.files {
					f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
					if err != nil {
						t.Fatal(err)
					}
					for _, w := range checkSource(fset, f) {
						t.Error(w)
					}
				}
			}
			if seen < len(lowerFloors) {
				t.Errorf("saw %d packages: is this the module?", seen)
			}
		})
	}
	for name := range rows {
		if !there[name] {
			t.Errorf("the table has a row for %s, and there is no such package", name)
		}
	}
}

// The test can fail.
func TestCheckFindsFaults(t *testing.T) {
	rows := parseTable(t)
	for _, c := range []struct {
		p    pkg
		want int
	}{
		{pkg{name: "mixnet/fragment", outside: []string{"time", "fmt"}}, 0},
		{pkg{name: "mixnet", ours: []string{"mixnet/keys"}, outside: []string{"net/netip", "context"}}, 0},
		{pkg{name: "cmd/mixnode", ours: []string{"mixnet/mixnode", "config"}, outside: []string{"github.com/urfave/cli/v2"}}, 0},
		{pkg{name: "localnet", ours: []string{"mixnet/client", "proxy"}}, 0},
		{pkg{name: "proxy/socks", ours: []string{"proxy"}, outside: []string{"github.com/armon/go-socks5", "net", "github.com/rs/zerolog"}}, 0},

		{pkg{name: "mixnet/fragment", ours: []string{"mixnet"}}, 1},
		{pkg{name: "mixnet/client", ours: []string{"mixnet/gateway", "mixnet/keys"}}, 1},
		{pkg{name: "mixnet/fragments"}, 1},
		{pkg{name: "localnet", ours: []string{"mixnet/boltstore", "config", "cmd/mixnode"}}, 3},
		{pkg{name: "mixnet/wire", outside: []string{"net", "net/http", "os", "os/exec", "github.com/rs/zerolog/log"}}, 5},
		{pkg{name: "proxy", ours: []string{"mixnet/client"}, outside: []string{"github.com/armon/go-socks5"}}, 2},
		{pkg{name: "mixnet/directory", outside: []string{"net/url", "net/http", "crypto/tls"}}, 2},
		{pkg{name: "mixnet/client", outside: []string{"testing/synctest", "syscall/js"}}, 2},
		{pkg{name: "internal/ops", outside: []string{"github.com/urfave/cli/v2"}}, 1},
	} {
		if got := check(rows, c.p); len(got) != c.want {
			t.Errorf("%+v: %d faults %q, want %d", c.p, len(got), got, c.want)
		}
	}
	for src, want := range map[string]int{
		`import "time"; var d = time.Second`:                               0,
		`import "time"; var t = time.Now()`:                                1,
		`import "time"; var f = time.Now`:                                  1,
		`import t "time"; func f() { t.Sleep(1) }`:                         1,
		`import t "time"; func f() { time.Sleep(1) }`:                      0,
		`func f() { go f() }`:                                              1,
		`import "time"; func f() { <-time.After(1) }`:                      1,
		`type T struct{ Now int }; func f(time T) int { return time.Now }`: 0,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "f.go", "package p; "+src, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := checkSource(fset, f); len(got) != want {
			t.Errorf("%s: %q, want %d faults", src, got, want)
		}
	}
}

// In a browser the size of what is loaded counts: an endpoint there makes no
// request of its own and no TLS, and its WebSocket is the browser's.
func TestBrowserNeedsNoHTTP(t *testing.T) {
	byName := make(map[string]pkg)
	for _, p := range packages(t, "js", "wasm") {
		byName[p.name] = p
	}
	seen := make(map[string]bool)
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		p, ok := byName[name]
		if !ok {
			t.Fatalf("there is no package %s for a browser", name)
		}
		for _, i := range p.outside {
			if i == "net/http" || i == "crypto/tls" || i == "github.com/coder/websocket" {
				t.Errorf("%s imports %s, and endpoint needs it", name, i)
			}
		}
		for _, i := range p.ours {
			visit(i)
		}
	}
	visit("endpoint")
}

// TestEveryPackageIsDrawn holds that docs/architecture.md names every package, save
// those that only start another one.
func TestEveryPackageIsDrawn(t *testing.T) {
	page, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t, "linux", "amd64") {
		if base := path.Base(p.name); base == "run" || base == "gen" {
			continue
		}
		if !strings.Contains(string(page), "`"+p.name+"`") {
			t.Errorf("docs/architecture.md does not say what %s is", p.name)
		}
	}
}

// TestEveryPackageHasDoc holds that every package says in its doc.go what it is.
func TestEveryPackageHasDoc(t *testing.T) {
	for _, p := range packages(t, "linux", "amd64") {
		path := filepath.Join("../..", filepath.FromSlash(p.name), "doc.go")
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		begin := "Package " + f.Name.Name + " "
		if f.Name.Name == "main" {
			begin = "" // commands begin with their own name
		}
		if doc := f.Doc.Text(); doc == "" || !strings.HasPrefix(doc, begin) {
			t.Errorf("the comment of %s is %.40q, want one that begins with %q", p.name, doc, begin)
		}
	}
}
