package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadAbout(t *testing.T) {
	for _, c := range []struct {
		text, want string // want: part of the error; empty: none
	}{
		{"version=1.2.3\nrevision=abc\ntime=1796122230\n", ""},
		{"version=1.2.3\ntime=1796122230\nfurther=x\n", ""},
		{"revision=abc\ntime=1796122230\n", "neither version nor time"},
		{"version=1.2.3\n", "neither version nor time"},
		{"version=1.2.3\ntime=noon\n", "invalid syntax"},
	} {
		path := filepath.Join(t.TempDir(), "about")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := readAbout(path)
		switch {
		case c.want != "":
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, want %q", c.text, err, c.want)
			}
		case err != nil || s.Version != "1.2.3" || !s.Time.Equal(time.Unix(1796122230, 0)):
			t.Errorf("%q: %+v, %v", c.text, s, err)
		}
	}
	if _, err := readAbout(filepath.Join(t.TempDir(), "about")); err == nil || !strings.Contains(err.Error(), "make dist comes first") {
		t.Errorf("without a folder: %v", err)
	}
	if err := run(nil); err == nil {
		t.Error("ran without a folder")
	}
}
