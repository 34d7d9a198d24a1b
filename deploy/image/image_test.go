package image

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var committed = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// sources are images of two architectures, with programs that are texts.
func sources(t *testing.T) (all []Source) {
	t.Helper()
	for _, arch := range []string{"amd64", "riscv64"} {
		dir := t.TempDir()
		for _, name := range []string{"mixnode", "probe"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(name+" for "+arch), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, Source{Arch: arch, Programs: dir, Version: "v1.2.3", Revision: "abc", Time: committed})
	}
	return all
}

// unpacked writes an archive and unpacks it into a layout.
func unpacked(t *testing.T, path string) layout.Path {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "oci.tar")
	if err := Write(path, sources(t)); err != nil {
		t.Fatal(err)
	}
	top, err := unpacked(t, path).ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := top.IndexManifest()
	if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "v1.2.3" {
		t.Fatalf("the archive has %+v, %v", m, err)
	}
	index, err := top.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	all, err := index.IndexManifest()
	if err != nil || len(all.Manifests) != 2 || all.Manifests[1].Platform.Architecture != "riscv64" {
		t.Fatalf("the index has %+v, %v", all, err)
	}
	img, err := index.Image(all.Manifests[1].Digest)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil || cfg.Config.User != "65532:65532" || cfg.Architecture != "riscv64" || !cfg.Created.Equal(committed) || len(cfg.Config.Volumes) != 1 || cfg.Config.Healthcheck == nil {
		t.Errorf("the configuration is %+v, %v", cfg, err)
	}
	look(t, img)
}

// look checks what is in an image.
func look(t *testing.T, img v1.Image) {
	t.Helper()
	all := mutate.Extract(img)
	defer all.Close()
	seen := make(map[string]*tar.Header)
	for r := tar.NewReader(all); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[filepath.Clean(h.Name)] = h
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Name {
		case "usr/bin/mixnode":
			if string(b) != "mixnode for riscv64" {
				t.Errorf("mixnode is %q", b)
			}
		case "etc/ssl/certs/ca-certificates.crt":
			if !x509.NewCertPool().AppendCertsFromPEM(b) || bytes.Count(b, []byte("BEGIN CERTIFICATE")) < 100 {
				t.Error("there are hardly any roots")
			}
		}
	}
	for name, want := range map[string]struct {
		mode int64
		uid  int
	}{
		"usr/bin/mixnode":    {0o755, 0},
		"usr/bin/probe":      {0o755, 0},
		"etc/passwd":         {0o644, 0},
		"tmp":                {0o1777, 0},
		"var/lib/nym-socks5": {0o700, User},
	} {
		if h := seen[name]; h == nil || h.Mode != want.mode || h.Uid != want.uid || !h.ModTime.Equal(committed) {
			t.Errorf("%s is %+v, want mode %o of user %d", name, h, want.mode, want.uid)
		}
	}
}

// The same programs give the same bytes, wherever they are.
func TestReproducible(t *testing.T) {
	var got [2][]byte
	for i := range got {
		path := filepath.Join(t.TempDir(), "oci.tar")
		if err := Write(path, sources(t)); err != nil {
			t.Fatal(err)
		}
		var err error
		if got[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got[0], got[1]) {
		t.Error("two images of the same programs differ")
	}
}

func TestNoPrograms(t *testing.T) {
	if err := Write(filepath.Join(t.TempDir(), "oci.tar"), nil); err == nil {
		t.Error("an image of nothing was written")
	}
}
