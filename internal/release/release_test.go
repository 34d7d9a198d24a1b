package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// hello is a program that can print what ours can, and plain one that cannot.
const (
	hello = `package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		return
	}
	fmt.Println(os.Args[1:], os.Getenv("HOME"), os.Getenv("STATE_DIRECTORY"))
}
`
	plain = `package main

import "os"

func main() {
	if len(os.Args) > 1 {
		os.Exit(2)
	}
}
`
)

// repository makes a git repository with two programs, mixnode and plain, at the
// tag v1.2.3.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "go.mod"), "module example.org/hello\n\ngo 1.26.0\n")
	put(t, filepath.Join(dir, "cmd/mixnode/main.go"), hello)
	put(t, filepath.Join(dir, "cmd/plain/main.go"), plain)
	for _, file := range append([]string{"docs/operate.md", "docs/security.md"}, documents...) {
		put(t, filepath.Join(dir, file), "text of "+file+"\n")
	}
	git(t, dir, "init", "--quiet")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "--quiet", "-m", "first")
	git(t, dir, "tag", "v1.2.3")
	return dir
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

var committed = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func needTools(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"git", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
}

// here and other are two targets, of which the first is this machine where it is one.
var here, other = Target{"linux", "amd64"}, Target{"windows", "amd64"}

func TestMake(t *testing.T) {
	needTools(t)
	repo := repository(t)
	put(t, filepath.Join(repo, "cmd/mixnode/main.go"), "not committed, so it does not matter")
	out := filepath.Join(t.TempDir(), "dist")
	cfg := Config{Repository: repo, Revision: "v1.2.3", Out: out, Targets: []Target{here, other}}
	if err := Make(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}

	const top = "nym-socks5_v1.2.3_linux_amd64"
	files := tarFiles(t, filepath.Join(out, top+".tar.gz"))
	for _, name := range []string{
		"bin/mixnode", "bin/plain", "man/mixnode.1", "completions/zsh/_mixnode", "LICENSES-of-others.txt", "README.md", "LICENSE", "docs/operate.md",
	} {
		if _, there := files[top+"/"+name]; !there {
			t.Errorf("the archive lacks %s", name)
		}
	}
	for name, want := range map[string]string{
		"man/mixnode.1":              "[man] /home/user /home/user/.local/state/nym-socks5/mixnode\n",
		"completions/bash/mixnode":   "[completion bash] /home/user /home/user/.local/state/nym-socks5/mixnode\n",
		"completions/fish/plain":     "",
		"man/plain.1":                "",
		"docs/security.md":           "text of docs/security.md\n",
		"completions/fish/none.fish": "",
	} {
		if got := files[top+"/"+name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(files[top+"/LICENSES-of-others.txt"], "==== the Go standard library: LICENSE") {
		t.Error("the license of Go is missing")
	}

	zipped, err := zip.OpenReader(filepath.Join(out, "nym-socks5_v1.2.3_windows_amd64.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer zipped.Close()
	if !slices.ContainsFunc(zipped.File, func(f *zip.File) bool {
		return strings.HasSuffix(f.Name, "/bin/mixnode.exe") && f.Modified.Equal(committed)
	}) {
		t.Error("the zip file lacks bin/mixnode.exe, or has another time")
	}

	// What packages are made of names the places of root, and only services have units.
	man, err := os.ReadFile(filepath.Join(out, "stage/system/man/mixnode.1"))
	if want := "[man] / /var/lib/nym-socks5/mixnode\n"; err != nil || string(man) != want {
		t.Errorf("the page for packages is %q, %v; want %q", man, err, want)
	}
	units, err := filepath.Glob(filepath.Join(out, "stage/system/systemd/*.service"))
	if err != nil || len(units) != 1 || filepath.Base(units[0]) != "nym-mixnode@.service" {
		t.Errorf("the units are %v, %v", units, err)
	}

	var list struct {
		Metadata struct {
			Timestamp string
			Component struct {
				Version    string
				Components []struct{ Name string }
			}
		}
		Components []struct{ PURL string }
	}
	b, err := os.ReadFile(filepath.Join(out, top+".cdx.json"))
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil || list.Metadata.Component.Version != "v1.2.3" || list.Metadata.Timestamp != "2026-01-02T03:04:05Z" ||
		len(list.Metadata.Component.Components) != 2 || len(list.Components) != 1 || !strings.HasPrefix(list.Components[0].PURL, "pkg:golang/std@1.") {
		t.Errorf("the SBOM is %s, %v", b, err)
	}

	lines, err := os.ReadFile(filepath.Join(out, sums))
	if got := strings.Count(string(lines), "\n"); got != 4 || err != nil {
		t.Errorf("there are %d checksums, want 4 (%v)", got, err)
	}
	if err := Make(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "is not empty, and nothing was changed") {
		t.Errorf("making it twice: %v", err)
	}
}

// tarFiles reads an archive, and checks what makes archives differ.
func tarFiles(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if !unpacked.ModTime.IsZero() || unpacked.Name != "" {
		t.Errorf("the archive has a time or a name: %+v", unpacked.Header)
	}
	all := make(map[string]string)
	for r := tar.NewReader(unpacked); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0o644)
		if strings.Contains(h.Name, "/bin/") {
			want = 0o755
		}
		if !h.ModTime.Equal(committed) || h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Mode != want {
			t.Errorf("%s: %v, %d:%d %q, mode %o", h.Name, h.ModTime, h.Uid, h.Gid, h.Uname, h.Mode)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(b)
	}
}

// What is only in the working tree does not get into a release, and a program
// that was built from it is refused.
func TestOriginOf(t *testing.T) {
	needTools(t)
	repo := repository(t)
	bin := filepath.Join(t.TempDir(), "bin")
	put(t, filepath.Join(repo, "cmd/mixnode/more.go"), "package main\n")
	if err := compile(t.Context(), repo, here, bin, "", []string{"./cmd/mixnode"}); err != nil {
		t.Fatal(err)
	}
	all, err := programs(bin, here)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := originOf(all[0].info); err == nil || !strings.Contains(err.Error(), "not committed") {
		t.Errorf("a program of a changed tree: %v", err)
	}
}

func TestCompare(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		put(t, filepath.Join(dir, "a/b"), "same")
	}
	if n, err := compare(one, two); n != 1 || err != nil {
		t.Errorf("equal folders: %d, %v", n, err)
	}
	put(t, filepath.Join(two, "c"), "more")
	for _, dirs := range [][2]string{{one, two}, {two, one}} {
		if _, err := compare(dirs[0], dirs[1]); err == nil || !strings.Contains(err.Error(), "only one of two builds has c") {
			t.Errorf("a file more: %v", err)
		}
	}
	put(t, filepath.Join(one, "c"), "less")
	if _, err := compare(one, two); err == nil || !strings.Contains(err.Error(), "differ in c") {
		t.Errorf("another content: %v", err)
	}
}

func TestParseTargets(t *testing.T) {
	for _, c := range []struct {
		list string
		want []Target // nil: refused
	}{
		{"", Targets},
		{"linux/amd64", []Target{{"linux", "amd64"}}},
		{"windows/amd64,linux/riscv64", []Target{{"windows", "amd64"}, {"linux", "riscv64"}}},
		{"linux", nil},
		{"linux/amd64,", nil},
		{"linux/amd64,linux/amd64", nil},
		{"plan9/amd64", nil},
	} {
		got, err := ParseTargets(c.list)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) && err == nil {
			t.Errorf("ParseTargets(%q) = %v, %v; want %v", c.list, got, err, c.want)
		}
	}
}

func TestLicenses(t *testing.T) {
	dir := t.TempDir()
	b := new(bytes.Buffer)
	if err := appendLicenses(b, "example.org/m", dir); err == nil || !strings.Contains(err.Error(), "example.org/m has no license") {
		t.Errorf("a module without a license: %v", err)
	}
	for _, name := range []string{"LICENSE-MIT", "NOTICE", "licence.md", "README", "license_test.go"} {
		put(t, filepath.Join(dir, name), name+"\r\n")
	}
	if err := appendLicenses(b, "example.org/m", dir); err != nil {
		t.Fatal(err)
	}
	want := "==== example.org/m: LICENSE-MIT\n\nLICENSE-MIT\n\n==== example.org/m: NOTICE\n\nNOTICE\n\n==== example.org/m: licence.md\n\nlicence.md\n\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b, want)
	}
}
