package cli

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// maxReread is the size of the largest file that a program reads again on HUP.
const maxReread = 16 << 20

// A File is what a file means, as it was read last. Its methods may be called
// by many goroutines.
type File[T any] struct {
	path  string
	parse func([]byte) (T, error)
	value atomic.Pointer[T]
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
	var b []byte
	if f.path != "" {
		info, err := os.Stat(f.path)
		if err != nil {
			return Invalid("%v", err)
		}
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

// A Rereader is a [File] of any type.
type Rereader interface{ Reread() error }

// Reread reads files again whenever reload says so, until ctx ends. Where one
// cannot be used, the program goes on with what it has, and says so.
func Reread(ctx context.Context, reload <-chan struct{}, log zerolog.Logger, files ...Rereader) {
	for {
		select {
		case <-reload:
			var errs []error
			for _, f := range files {
				errs = append(errs, f.Reread())
			}
			if err := errors.Join(errs...); err != nil {
				log.Error().Str("reason", message("", err)).Msg("a file cannot be used, the one before stays in force")
			} else {
				log.Info().Msg("files read again")
			}
		case <-ctx.Done():
			return
		}
	}
}
