package interop

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
)

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("mix-fetch needs a browser: install Chromium (on Debian: apt-get install chromium)")
	return ""
}

// browser starts the mix-fetch of a package with options in the Chromium at path.
// It ends with the test.
func (w *world) browser(t *testing.T, path, pkg string, options map[string]any) *fetcher {
	t.Helper()
	files := http.NewServeMux()
	files.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) { http.ServeFile(rw, r, "mixfetch.html") })
	files.Handle("GET /mix-fetch/", http.StripPrefix("/mix-fetch", http.FileServer(http.Dir(filepath.Join("node_modules", pkg)))))
	page := httptest.NewServer(files)
	t.Cleanup(page.Close)

	opts, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	return startFetcher(t, "mixfetch.mjs", path, page.URL, string(opts))
}
