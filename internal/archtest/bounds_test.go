package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A bound is a constant that limits or times something.
type bound struct {
	name     string
	at       token.Position
	reasoned bool // a comment stands at it, or above its group
}

var (
	boundName = regexp.MustCompile(`^(max|min|most|least|default)([A-Z].*|$)|^(Max|Min|Most|Least|Default)[A-Z]`)
	// timed is a variable of package time that gives a constant its unit.
	timed = []string{"Microsecond", "Millisecond", "Second", "Minute", "Hour"}
)

// bounds finds the bounds that a file declares: constants with a unit of time or a
// size from 1 KiB on, and numbers with a name that says that they are one.
func bounds(fset *token.FileSet, f *ast.File) (all []bound) {
	for _, d := range f.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			continue
		}
		for _, s := range d.Specs {
			v := s.(*ast.ValueSpec)
			for i, name := range v.Names {
				if i < len(v.Values) && isBound(name.Name, v.Values[i]) {
					all = append(all, bound{name.Name, fset.Position(name.Pos()), v.Doc != nil || v.Comment != nil || d.Doc != nil})
				}
			}
		}
	}
	return all
}

func isBound(name string, value ast.Expr) bool {
	number, found := true, false
	ast.Inspect(value, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && x.Name == "time" && slices.Contains(timed, n.Sel.Name) {
				found = true
			}
			number = number && ok && x.Name == "time"
			return false
		case *ast.Ident:
			number = false
		case *ast.BasicLit:
			number = number && n.Kind == token.INT
		case *ast.BinaryExpr:
			if by, ok := n.Y.(*ast.BasicLit); ok && n.Op == token.SHL {
				bits, err := strconv.Atoi(by.Value)
				found = found || err == nil && bits >= 10
			}
		}
		return true
	})
	return found || number && boundName.MatchString(name)
}

// apartFrom are packages whose bounds stand beside what they bound.
var apartFrom = []string{
	"internal/bench",                   // each figure's plan stands with the figure
	"internal/vec8", "internal/vec8/*", // counts of lanes and limbs
	"mixnet", "internal/broadcast", // formats: what bounds a field stands beside it
	"examples/*", // small enough to be read whole
}

// formats are constants that are no bounds, though they look like some: wire
// formats have them, beside the type that they belong to.
var formats = []string{
	"mixnet/boltstore.unprovedBit",
	"mixnet/fragment.MaxSet",
	"mixnet/fragment.top",
	"proxy/protocol.minRule",
	"mixnet/directory.noRotation",
	"mixnet/mixnode.NoRotation",
	"mixnet/link.maxNoisePlain",
	"mixnet/session/protocol.MinVersion",
}

// TestBoundsStandTogether holds that the time-outs and bounds of a package stand in
// one file, each with its reason: limits.go, or the only file that has any. What
// holds for one platform alone may have a limits_PLATFORM.go beside it.
func TestBoundsStandTogether(t *testing.T) {
	for _, p := range packages(t, "linux", "amd64") {
		if matchAny(apartFrom, p.name) {
			continue
		}
		in := make(map[string][]bound)
		for _, name := range p.files {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			b := slices.DeleteFunc(bounds(fset, f), func(b bound) bool {
				return slices.Contains(formats, p.name+"."+b.name)
			})
			if b != nil {
				in[filepath.Base(name)] = b
			}
		}
		for file, all := range in {
			for _, b := range all {
				if !b.reasoned {
					t.Errorf("%s: no comment says why %s is what it is", where(b.at), b.name)
				}
				if len(in) > 1 && !strings.HasPrefix(file, "limits") {
					t.Errorf("%s: %s stands apart from the other bounds of %s: move it to limits.go there", where(b.at), b.name, p.name)
				}
			}
		}
	}
}

func where(at token.Position) string { return fmt.Sprintf("%s:%d", at.Filename, at.Line) }

// The test can fail.
func TestBoundsAreFound(t *testing.T) {
	for src, want := range map[string]string{
		`const idle = 5 * time.Second`:                         "idle?",
		`const idle = time.Second // as the reference`:         "idle",
		"const (\n// why\nbuffer = 64 << 10\nnoteSize = 21\n)": "buffer",
		"// Why.\nconst (\nmaxTags = 10\nseven = 7\n)":         "maxTags",
		`const maxFrame = 3 * size`:                            "",
		`const a, b = 1 << 3, time.UTC`:                        "",
		`const most = 10`:                                      "most?",
		`func f() { const most = 10 }`:                         "",
		`const maximal, minute = 1, 2`:                         "",
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "f.go", "package p\n"+src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, b := range bounds(fset, f) {
			got += b.name
			if !b.reasoned {
				got += "?"
			}
		}
		if got != want {
			t.Errorf("%s: found %q, want %q", src, got, want)
		}
	}
}
