//go:build !js

package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"nym-socks5/internal/wholefile"
)

// A Folder is a Store of files, one a record, that only their owner can read:
//
//	nym-socks5 record entries 1
//	{"gateways":[…
//
// It takes no lock: whoever opens it sees to it that it is used by one process
// at a time.
type Folder struct{ dir string }

// NewFolder makes a Store of a folder, which need not be there before something is
// saved.
func NewFolder(dir string) *Folder { return &Folder{dir} }

// recordMark begins the first line of a file.
const recordMark = "nym-socks5 record "

// maxHeader is the size of the longest first line, in bytes.
const maxHeader = len(recordMark) + MaxName + 1 + 20 + 1

// Load implements [Store]. Its errors name the file, and may wrap [ErrDamaged].
func (f *Folder) Load(_ context.Context, name string) (Record, error) {
	path := f.Path(name)
	b, err := wholefile.ReadSecret(path, MaxRecord+int64(maxHeader))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, err
	}
	r, err := parseRecord(name, b)
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Save implements [Store].
func (f *Folder) Save(_ context.Context, name string, r Record) error {
	if err := CheckRecord(name, r); err != nil {
		return err
	}
	content := appendRecord(nil, name, r)
	err := wholefile.Write(f.Path(name), content, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = wholefile.MakeFolder(f.dir); err == nil {
			err = wholefile.Write(f.Path(name), content, 0o600)
		}
	}
	return err
}

// Path is where a record is, for errors that people read.
func (f *Folder) Path(name string) string { return filepath.Join(f.dir, name) }

func appendRecord(b []byte, name string, r Record) []byte {
	b = fmt.Appendf(b, "%s%s %d\n", recordMark, name, r.Version)
	return append(b, r.Body...)
}

// parseRecord reads what appendRecord wrote, and nothing else.
func parseRecord(name string, b []byte) (r Record, err error) {
	line, body, _ := bytes.Cut(b, []byte("\n"))
	if v, ok := bytes.CutPrefix(line, []byte(recordMark+name+" ")); ok {
		r.Version, err = strconv.Atoi(string(v))
	}
	r.Body = body
	if err != nil || CheckRecord(name, r) != nil || !bytes.Equal(appendRecord(nil, name, r), b) {
		return Record{}, fmt.Errorf("%w: it does not begin with %q", ErrDamaged, recordMark+name+" 1")
	}
	return r, nil
}
