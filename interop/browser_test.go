package interop

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
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
	t.Fatal("pages need a browser: install Chromium (on Debian: apt-get install chromium)")
	return ""
}

// mixFetchPage gives the command that runs the mix-fetch of a package, with
// options, in the Chromium at path.
func mixFetchPage(t *testing.T, path, pkg string, options map[string]any) []string {
	t.Helper()
	files := http.NewServeMux()
	files.Handle("GET /mix-fetch/", http.StripPrefix("/mix-fetch", http.FileServer(http.Dir(filepath.Join("node_modules", pkg)))))
	return page(t, path, "mixfetch.html", files, options)
}

// ourPage gives the command that runs our package, with options, in the Chromium
// at path.
func ourPage(t *testing.T, path string, options map[string]any) []string {
	t.Helper()
	if _, err := os.Stat("../sdk/dist/nym-streams.wasm"); err != nil {
		t.Fatalf("our package is not built; run sdk/build.sh: %v", err)
	}
	files := http.NewServeMux()
	files.Handle("GET /sdk/", http.StripPrefix("/sdk", http.FileServer(http.Dir("../sdk"))))
	return page(t, path, "ours.html", files, options)
}

// page serves a page beside files and gives the command that opens it.
func page(t *testing.T, path, name string, files *http.ServeMux, options map[string]any) []string {
	t.Helper()
	files.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) { http.ServeFile(rw, r, name) })
	files.HandleFunc("GET /page-fetch.mjs", func(rw http.ResponseWriter, r *http.Request) { http.ServeFile(rw, r, "page-fetch.mjs") })
	server := httptest.NewServer(files)
	t.Cleanup(server.Close)
	opts, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"page.mjs", path, server.URL, string(opts)}
}
