package cli

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// A File is what a file means, as it was read last. Its methods may be called
// by many goroutines.
type File[T any] struct {
	path  string
	parse func([]byte) (T, error)
	value atomic.Pointer[T]

	mu         sync.Mutex
	read, seen os.FileInfo // what was there when it was read last, and when it was looked at last
}

// same reports whether a file is the one of before, as far as that can be told
// without reading it.
func same(a, b os.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// OpenFile reads a file. Where the path is empty, an empty text is parsed
// instead. What parse refuses is an error of the settings.
func OpenFile[T any](path string, parse func([]byte) (T, error)) (*File[T], error) {
	f := &File[T]{path: path, parse: parse}
	return f, f.Reread()
}

// Value gives what the file meant when it was read last.
func (f *File[T]) Value() T { return *f.value.Load() }

// Reread reads the file again. If it cannot be used, the value stays.
func (f *File[T]) Reread() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reread()
}

// Refresh reads the file again if it is another than it was. It is for files that are
// only ever written whole.
func (f *File[T]) Refresh() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if info, err := os.Stat(f.path); err != nil || same(info, f.read) {
		return err
	}
	return f.reread()
}

func (f *File[T]) reread() error {
	var b []byte
	if f.path != "" {
		info, err := os.Stat(f.path)
		if err != nil {
			return Invalid("%v", err)
		}
		f.read, f.seen = info, info
		if info.Size() > maxReread {
			return Invalid("%s has %d bytes, which is too much", f.path, info.Size())
		}
		if b, err = os.ReadFile(f.path); err != nil {
			return Invalid("%v", err)
		}
	}
	v, err := f.parse(b)
	switch {
	case err != nil && f.path == "":
		return Invalid("%v", err)
	case err != nil:
		return Invalid("%s: %v", f.path, err)
	}
	f.value.Store(&v)
	return nil
}

// Changed reports whether the file is another than it was when it was read last, and
// has rested since the call before: an editor may still be writing. A file that is
// gone has not changed.
func (f *File[T]) Changed() bool {
	if f.path == "" {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return false
	}
	rested := same(info, f.seen)
	f.seen = info
	return rested && !same(info, f.read)
}

// A Rereader is a [File] of any type.
type Rereader interface{ Reread() error }

// Reread reads files again whenever reload says so, and those that tell so when they
// changed, until ctx ends. Where one cannot be used, the program goes on with what
// it has, and says so.
func Reread(ctx context.Context, reload <-chan struct{}, log zerolog.Logger, files ...Rereader) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	again := func(files []Rereader) {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Reread())
		}
		if err := errors.Join(errs...); err != nil {
			log.Error().Str("reason", message("", err)).Msg("a file cannot be used, the one before stays in force")
		} else {
			log.Info().Msg("files read again")
		}
	}
	for {
		select {
		case <-reload:
			again(files)
		case <-look.C:
			var changed []Rereader
			for _, f := range files {
				if w, ok := f.(interface{ Changed() bool }); ok && w.Changed() {
					changed = append(changed, f)
				}
			}
			if len(changed) > 0 {
				again(changed)
			}
		case <-ctx.Done():
			return
		}
	}
}
