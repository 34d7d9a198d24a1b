// Package image makes the container image of a release, with no engine and no
// base image: one image for all programs, for every architecture of Linux.
//
//	dist/stage/linux_ARCH/bin/* ──┐
//	roots of x/crypto, users ─────┼──▶ layers ──▶ image per ARCH ──▶ index ──▶ OCI archive
//	probe ────────────────────────┘
//
// It is FROM scratch: the programs are static, and nothing else is in there that
// could have a weakness. The user has no rights, all that is kept is below one
// volume, and the root can be read-only. A layer has one program, so that images of two
// releases share what did not change. Layers and times follow from the commit:
// the same commit gives the same digest.
package image

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// What stands in every image.
const (
	User  = 65532                 // and group: nobody who is somebody elsewhere
	State = "/var/lib/nym-socks5" // the volume
)

// A Source is what an image is made of.
type Source struct {
	Arch     string // of the Go toolchain
	Programs string // folder
	Version  string
	Revision string
	Time     time.Time // of the commit
}

// New makes the image of one architecture.
func New(s Source) (v1.Image, error) {
	programs, err := os.ReadDir(s.Programs)
	if err != nil {
		return nil, err
	}
	base, err := baseFiles()
	if err != nil {
		return nil, err
	}
	layers := [][]file{base}
	for _, p := range programs {
		content, err := os.ReadFile(filepath.Join(s.Programs, p.Name()))
		if err != nil {
			return nil, err
		}
		layers = append(layers, []file{{name: "usr/bin/" + p.Name(), mode: 0o755, content: content}})
	}

	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		l, err := layer(files, s.Time)
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:   l,
			History: v1.History{Created: v1.Time{Time: s.Time}, CreatedBy: files[len(files)-1].name},
		})
		if err != nil {
			return nil, err
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture, cfg.Created = "linux", s.Arch, v1.Time{Time: s.Time}
	cfg.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", User, User),
		Env: []string{
			"PATH=/usr/bin",
			"HOME=" + State,
			"CONFIGURATION_DIRECTORY=" + State + "/etc",
			"STATE_DIRECTORY=" + State + "/state",
		},
		WorkingDir:  State,
		Volumes:     map[string]struct{}{State: {}},
		StopSignal:  "SIGTERM",
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/usr/bin/probe"}, Interval: time.Minute, Timeout: 10 * time.Second, StartPeriod: time.Minute},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "nym-socks5",
			"org.opencontainers.image.version":  s.Version,
			"org.opencontainers.image.revision": s.Revision,
			"org.opencontainers.image.created":  s.Time.UTC().Format(time.RFC3339),
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(img, cfg)
}

// A file is one of a layer; a folder, where its name ends in a slash.
type file struct {
	name    string
	mode    fs.FileMode
	uid     int // of group and user
	content []byte
}

// baseFiles are what programs find beside themselves.
func baseFiles() ([]file, error) {
	roots, err := roots()
	return []file{
		{name: "etc/", mode: 0o755},
		{name: "etc/passwd", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:0::/:/\nnym-socks5:x:%[1]d:%[1]d::%[2]s:/\n", User, State)},
		{name: "etc/group", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\nnym-socks5:x:%d:\n", User)},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: roots},
		{name: "tmp/", mode: 0o777 | fs.ModeSticky},
		{name: "usr/", mode: 0o755},
		{name: "usr/bin/", mode: 0o755},
		{name: "var/", mode: 0o755},
		{name: "var/lib/", mode: 0o755},
		{name: strings.TrimPrefix(State, "/") + "/", mode: 0o700, uid: User},
	}, err
}

// roots are the certificates that Mozilla trusts, as golang.org/x/crypto has them.
// Those that it trusts under conditions only are left out: a file cannot say so.
func roots() ([]byte, error) {
	b := new(bytes.Buffer)
	for r := range bundle.Roots() {
		if r.Constraint != nil {
			continue
		}
		if err := pem.Encode(b, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// layer packs files.
func layer(files []file, at time.Time) (v1.Layer, error) {
	b := new(bytes.Buffer)
	w := tar.NewWriter(b)
	for _, f := range files {
		h := &tar.Header{
			Name: f.name, Mode: int64(f.mode.Perm()), Size: int64(len(f.content)), ModTime: at, Uid: f.uid, Gid: f.uid,
			Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
		}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if f.mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// Write writes the images of all architectures into one OCI archive.
func Write(path string, sources []Source) (err error) {
	if len(sources) == 0 {
		return errors.New("image: there are no programs for Linux")
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, s := range sources {
		img, err := New(s)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: s.Arch}},
		})
	}
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	version := sources[0].Version
	err = l.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          "nym-socks5:" + version, // which engines name it by
		"org.opencontainers.image.ref.name": version,
	}))
	if err != nil {
		return err
	}
	return pack(path, dir, sources[0].Time)
}

// pack writes a folder into a tar file.
func pack(path, dir string, at time.Time) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	defer func() { err = errors.Join(err, w.Close(), f.Close()) }()
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		err = w.WriteHeader(&tar.Header{
			Name: filepath.ToSlash(name), Mode: 0o644, Size: int64(len(content)), ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
		})
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
}
