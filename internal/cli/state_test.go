package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nym-socks5/config"
)

var allKeys = []Key{Identity, Encryption, Ack, Sphinx, Noise}

// newState makes a complete folder with all keys.
func newState(t *testing.T) (*State, Keys) {
	t.Helper()
	s, fresh, err := OpenState(filepath.Join(t.TempDir(), "a", "state"), Upgrade{})
	if err != nil || !fresh {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	t.Cleanup(func() { s.Close() })
	if err := errors.Join(s.makeKeys(allKeys), s.complete()); err != nil {
		t.Fatal(err)
	}
	ks, err := s.loadKeys(allKeys)
	if err != nil {
		t.Fatal(err)
	}
	return s, ks
}

func TestKeysComeBack(t *testing.T) {
	s, want := newState(t)
	if err := s.makeKeys(allKeys); err != nil { // changes nothing
		t.Fatal(err)
	}
	got, err := s.loadKeys(allKeys)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Identity.Equal(want.Identity) || !got.Encryption.Equal(want.Encryption) || !got.Ack.Equal(want.Ack) ||
		!got.Sphinx.Equal(want.Sphinx) || !got.Noise.Equal(want.Noise) {
		t.Error("a key changed")
	}
	if some, err := s.loadKeys([]Key{Noise}); err != nil || some.Identity != nil || some.Noise == nil {
		t.Errorf("asked for one key, got %+v, %v", some, err)
	}
}

// hardening.md H36: "Key files readable by others are refused"
func TestH36KeyFilesReadableByOthersAreRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601, 0o777} {
		s, _ := newState(t)
		if err := os.Chmod(s.Path("sphinx.pem"), mode); err != nil {
			t.Fatal(err)
		}
		_, err := s.loadKeys(allKeys)
		if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v, want a refusal that says what to do", mode, err)
		}
	}
	s, _ := newState(t)
	if err := os.Chmod(s.Path("sphinx.pem"), 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := s.loadKeys(allKeys); err != nil {
		t.Errorf("mode 400: %v", err)
	}
}

func TestBadKeyFilesAreRefused(t *testing.T) {
	s, _ := newState(t)
	good, err := os.ReadFile(s.Path("identity.pem"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(s.Path("sphinx.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "no PEM block"},
		{"no PEM", []byte("secret"), "no PEM block"},
		{"another kind", other, `it holds a "NYM SPHINX KEY"`},
		{"short", []byte("-----BEGIN NYM IDENTITY KEY-----\nAAAA\n-----END NYM IDENTITY KEY-----\n"), "3 bytes, not 32"},
		{"more behind it", append(bytes.Clone(good), "x"...), "more in it"},
		{"more before it", append([]byte("x\n"), good...), "more in it"},
		{"huge", bytes.Repeat([]byte("x"), maxSecret+1), "the most are 4096"},
	} {
		if err := os.WriteFile(s.Path("identity.pem"), c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.loadKeys(allKeys); !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the file's content", c.name)
		}
	}
	if err := os.Remove(s.Path("identity.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.loadKeys(allKeys); !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("no file: %v", err)
	}
}

func TestOneStateOneProgram(t *testing.T) {
	s, _ := newState(t)
	if _, _, err := OpenState(s.dir, Upgrade{}); exitCode(err) != exitTemporary {
		t.Errorf("a second program got %v, want an error that is over some time", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, fresh, err := OpenState(s.dir, Upgrade{})
	if err != nil || fresh {
		t.Fatalf("after the first has ended: fresh %v, %v", fresh, err)
	}
	again.Close()
}

func TestStateOfOtherVersions(t *testing.T) {
	s, _ := newState(t)
	s.Close()
	for text, want := range map[string]string{"3": "use a newer program", "0": "no version", "one": "no version", "2 ": "", "1": ""} {
		if err := s.WriteText(versionFile, text); err != nil {
			t.Fatal(err)
		}
		got, fresh, err := OpenState(s.dir, Upgrade{})
		switch {
		case want == "" && (err != nil || fresh):
			t.Errorf("version %q: fresh %v, %v", text, fresh, err)
		case want != "" && (!errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), want)):
			t.Errorf("version %q: %v, want %q in it", text, err, want)
		}
		if got != nil {
			got.Close()
		}
	}
}

// An init that was cut short goes on with the keys that it wrote.
func TestHalfMadeStateIsCompleted(t *testing.T) {
	s, fresh, err := OpenState(t.TempDir(), Upgrade{})
	if err != nil || !fresh {
		t.Fatal(err)
	}
	if err := s.makeKeys([]Key{Identity}); err != nil {
		t.Fatal(err)
	}
	before, err := s.loadKeys([]Key{Identity})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s, fresh, err = OpenState(s.dir, Upgrade{})
	if err != nil || !fresh {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	defer s.Close()
	if err := s.makeKeys(allKeys); err != nil {
		t.Fatal(err)
	}
	if after, err := s.loadKeys(allKeys); err != nil || !after.Identity.Equal(before.Identity) {
		t.Errorf("the first key was lost (%v)", err)
	}
}

func FuzzDecodeKey(f *testing.F) {
	f.Add([]byte("-----BEGIN NYM ACK KEY-----\nAAAAAAAAAAAAAAAAAAAAAA==\n-----END NYM ACK KEY-----\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, k := range allKeys {
			secret, err := k.decode(in)
			if err != nil {
				continue
			}
			if out := k.encode(secret); !bytes.Equal(out, in) {
				t.Fatalf("%q came back as %q", in, out)
			}
			new(Keys).put(k, secret)
		}
	})
}

func TestCommandsThatNeedTheFolderForThemselves(t *testing.T) {
	for _, dir := range []string{"CONFIGURATION_DIRECTORY", "STATE_DIRECTORY"} {
		t.Setenv(dir, t.TempDir())
	}
	do := func(args ...string) error {
		return demo().execute(t.Context(), append([]string{"demo-node"}, args...), new(bytes.Buffer), new(bytes.Buffer))
	}
	if err := do("init"); err != nil {
		t.Fatal(err)
	}
	running, _, err := OpenState(demo().place("default").state, Upgrade{})
	if err != nil {
		t.Fatal(err)
	}
	if err := do("friends", "count"); err != nil {
		t.Errorf("while the program runs: %v", err)
	}
	if err := do("friends", "forget"); exitCode(err) != exitTemporary {
		t.Errorf("while the program runs: %v, want that it is tried later", err)
	}
	running.Close()
	if err := do("friends", "forget"); err != nil {
		t.Errorf("after the program has ended: %v", err)
	}
}
