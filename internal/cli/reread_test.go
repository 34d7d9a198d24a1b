package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"nym-socks5/config"
)

// upper is the meaning of a file, for tests.
func upper(b []byte) (string, error) {
	if bytes.Contains(b, []byte("bad")) {
		return "", errors.New("it is bad")
	}
	return strings.ToUpper(string(b)), nil
}

func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenFile(path, upper); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("no file: %v", err)
	}
	write("bad")
	if _, err := OpenFile(path, upper); !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), path) {
		t.Errorf("a bad file: %v, want an error with its name", err)
	}
	write("one")
	f, err := OpenFile(path, upper)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithCancel(context.Background())
		reload, done := make(chan struct{}), make(chan struct{})
		go func() { defer close(done); Reread(ctx, reload, zerolog.New(&log), f) }()
		write("two")
		if got := f.Value(); got != "ONE" {
			t.Errorf("%q before the reload", got)
		}
		reload <- struct{}{}
		synctest.Wait()
		if got := f.Value(); got != "TWO" {
			t.Errorf("%q after the reload", got)
		}
		write("bad")
		reload <- struct{}{}
		synctest.Wait()
		if got := f.Value(); got != "TWO" {
			t.Errorf("%q after a bad reload, want what was there", got)
		}
		stop()
		<-done
		if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "it is bad") {
			t.Errorf("logged %s", got)
		}
	})
}

// A file that changed is read again by itself, once it has rested: not while an editor
// writes it, nor when nothing changed, nor while it is gone.
func TestChangedFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	f, err := OpenFile(path, upper)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); Reread(ctx, nil, zerolog.New(&log), f) }()
		looks := func(n int) string {
			time.Sleep(time.Duration(n) * lookEvery)
			synctest.Wait()
			return f.Value()
		}
		time.Sleep(lookEvery / 2)
		if looks(3) != "ONE" || log.Len() != 0 {
			t.Errorf("unchanged, it is %q, logged %s", f.Value(), &log)
		}
		write("twofold")
		if looks(1) != "ONE" {
			t.Error("read while it may be half written")
		}
		if looks(1) != "TWOFOLD" {
			t.Errorf("%q two looks after the change", f.Value())
		}
		write("quite bad")
		if looks(4) != "TWOFOLD" || strings.Count(log.String(), "it is bad") != 1 {
			t.Errorf("%q after a bad change, logged %s", f.Value(), &log)
		}
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		if looks(3) != "TWOFOLD" {
			t.Errorf("%q though it is gone", f.Value())
		}
		write("again")
		if looks(2) != "AGAIN" || strings.Count(log.String(), "\n") != 3 {
			t.Errorf("%q, logged %s", f.Value(), &log)
		}
		stop()
		<-done
	})
}

func TestFileWithoutPath(t *testing.T) {
	f, err := OpenFile("", upper)
	if err != nil || f.Value() != "" {
		t.Errorf("got %q, %v", f.Value(), err)
	}
}

func TestHugeFileIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxReread+1); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFile(path, upper); !errors.Is(err, config.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
