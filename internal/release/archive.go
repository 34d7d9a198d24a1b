package release

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// archive writes the files below a folder into a file: a zip file where its name
// ends so, else a compressed tar file. All names begin with top, all times are at,
// and nobody owns anything, so that equal folders give equal archives.
func archive(file, top string, folder string, at time.Time) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if filepath.Ext(file) == ".zip" {
		return zipTo(f, top, folder, at)
	}
	return tarTo(f, top, folder, at)
}

// eachFile calls with each regular file below a folder, in the order of names.
func eachFile(folder string, do func(name string, mode fs.FileMode, size int64, content io.Reader) error) error {
	return filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return errors.New("release: " + file + " is no regular file")
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return do(filepath.ToSlash(name), mode, info.Size(), f)
	})
}

func tarTo(w io.Writer, top, folder string, at time.Time) error {
	packed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	all := tar.NewWriter(packed)
	err = eachFile(folder, func(name string, mode fs.FileMode, size int64, content io.Reader) error {
		h := &tar.Header{
			Name: path.Join(top, name), Mode: int64(mode), Size: size, ModTime: at,
			Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
		}
		if err := all.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(all, content)
		return err
	})
	return errors.Join(err, all.Close(), packed.Close())
}

func zipTo(w io.Writer, top, folder string, at time.Time) error {
	all := zip.NewWriter(w)
	err := eachFile(folder, func(name string, mode fs.FileMode, _ int64, content io.Reader) error {
		h := &zip.FileHeader{Name: path.Join(top, name), Method: zip.Deflate, Modified: at.UTC()}
		h.SetMode(mode)
		one, err := all.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = io.Copy(one, content)
		return err
	})
	return errors.Join(err, all.Close())
}
