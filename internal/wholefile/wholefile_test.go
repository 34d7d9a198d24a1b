package wholefile

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A fakeDisk loses at a power failure what was not synced: the content of files,
// and the names in the folder. It can fail at a step.
type fakeDisk struct {
	names  map[string]*fakeFile // as programs see them
	onDisk map[string]*fakeFile // as of the last sync of the folder
	steps  int                  // left until the power fails
	lazy   bool                 // new names reach the disk when the folder is synced; else at once
}

type fakeFile struct {
	d             *fakeDisk
	name          string
	content, kept string
	mode          os.FileMode
}

var errPower = errors.New("the power failed")

func (d *fakeDisk) step() error {
	if d.steps == 0 {
		return errPower
	}
	d.steps--
	return nil
}

func (d *fakeDisk) create(dir, pattern string) (file, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	name := filepath.Join(dir, strings.ReplaceAll(pattern, "*", "1"))
	f := &fakeFile{d: d, name: name}
	d.names[name] = f
	return f, nil
}

func (d *fakeDisk) rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	if !d.lazy {
		d.onDisk = maps.Clone(d.names)
	}
	return nil
}

func (d *fakeDisk) remove(path string) error {
	if err := d.step(); err != nil {
		return err
	}
	delete(d.names, path)
	return nil
}

func (d *fakeDisk) syncDir(string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.onDisk = maps.Clone(d.names)
	return nil
}

func (f *fakeFile) Name() string { return f.name }

func (f *fakeFile) Write(b []byte) (int, error) {
	if err := f.d.step(); err != nil {
		f.content += string(b[:len(b)/2])
		return len(b) / 2, err
	}
	f.content += string(b)
	return len(b), nil
}

func (f *fakeFile) Chmod(m os.FileMode) error { f.mode = m; return f.d.step() }
func (f *fakeFile) Close() error              { return f.d.step() }

func (f *fakeFile) Sync() error {
	if err := f.d.step(); err != nil {
		return err
	}
	f.kept = f.content
	return nil
}

// hardening.md H36: "files are written whole or not at all (temporary, fsync,
// rename)". Wherever the power fails, the old content is there or the new; once
// Write has returned, the new.
func TestH36PowerFailure(t *testing.T) {
	for _, lazy := range []bool{false, true} {
		powerFailure(t, lazy)
	}
}

func powerFailure(t *testing.T, lazy bool) {
	const path = "/state/record"
	for steps := range 12 {
		old := &fakeFile{name: path, content: "old", kept: "old"}
		d := &fakeDisk{names: map[string]*fakeFile{path: old}, onDisk: map[string]*fakeFile{path: old}, steps: steps, lazy: lazy}
		err := write(d, path, []byte("new content"), 0o600)
		got := d.onDisk[path]
		switch {
		case got == nil:
			t.Fatalf("power failed after %d steps: the file is gone", steps)
		case err == nil && got.kept != "new content":
			t.Errorf("it was written, and after a power failure it holds %q", got.kept)
		case got.kept != "old" && got.kept != "new content":
			t.Errorf("power failed after %d steps: the file holds %q, which is neither the old content nor the new", steps, got.kept)
		}
		if err == nil {
			if got.mode != 0o600 || steps < 7 {
				t.Errorf("written in %d steps, mode %v", steps, got.mode)
			}
			return
		}
	}
	t.Error("it takes more steps than this test knows")
}

// hardening.md H36: "files are written whole or not at all"
func TestH36FilesAreWrittenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path) // opened before, it sees the old content to its end
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if n, _ := reader.Read(b); string(b[:n]) != "old" {
		t.Errorf("a reader of the old file got %q: the file was written in place", b[:n])
	}
	if got, err := os.ReadFile(path); string(got) != "new" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	// What cannot be finished leaves the old content, and nothing beside it.
	if err := os.MkdirAll(filepath.Join(dir, "folder", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "folder"), []byte("new"), 0o600); err == nil {
		t.Error("a file took the place of a folder")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v; want f and folder", left, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestSecretsThatAreTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := Write(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadSecret(path, 5); string(b) != "12345" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := ReadSecret(path, 4); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
	if _, err := ReadSecret(filepath.Dir(path), 4); err == nil {
		t.Error("a folder was read")
	}
}

// hardening.md H36: "Key files readable by others are refused". Root can read
// every file, and takes only its own and those of whoever owns the folder.
func TestH36KeyFilesOfOthersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root meets files of others that it can read")
	}
	const other = 12345
	dir := t.TempDir()
	path := filepath.Join(dir, "key.pem")
	if err := Write(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, other, other); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(path, 100); !errors.Is(err, ErrExposed) || !strings.Contains(err.Error(), "chown root "+path) {
		t.Errorf("got %v, want a refusal that says what to do", err)
	}
	if err := os.Chown(dir, other, other); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(path, 100); err != nil {
		t.Errorf("a service's key, looked at by root: %v", err)
	}
}

// What root writes into a service's folder the service can read.
func TestFilesBelongToTheOwnerOfTheFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root writes files of others")
	}
	const other = 12345
	dir := t.TempDir()
	if err := os.Chown(dir, other, other); err != nil {
		t.Fatal(err)
	}
	if err := MakeFolder(filepath.Join(dir, "below")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "below")); err != nil || !slices.Equal(ownership(info), []int{other, other}) || info.Mode().Perm() != 0o700 {
		t.Errorf("a folder below it: %v, %v", info, err)
	}
	path := filepath.Join(dir, "key.pem")
	for range 2 {
		if err := Write(path, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := ownership(info); !slices.Equal(got, []int{other, other}) {
			t.Errorf("the file belongs to %v, and its folder to %d", got, other)
		}
	}
}
