package main

import (
	"bufio"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nym-socks5/internal/clitest"
)

// An application that sends a name is told from one that sends an address.
func TestDoctorApp(t *testing.T) {
	bin := t.TempDir()
	if err := clitest.Build(bin, "."); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"http://example.org/":         "fine: the application asks by name",
		"http://192.0.2.7/":           "WRONG: the application sends an address",
		"http://[2001:db8::7]:8080/x": "WRONG: the application sends an address",
	} {
		cmd := exec.Command(filepath.Join(bin, "nym-socks5"), "doctor", "app", "--listen", "127.0.0.1:0",
			"--config", filepath.Join(bin, "none.toml"), "--state-dir", filepath.Join(bin, "none"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan()
		at, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "Waiting at "), ". ")
		app := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5h", Host: at})}}
		if resp, err := app.Get(target); err == nil {
			resp.Body.Close()
			t.Errorf("%s was fetched", target)
		}
		var said strings.Builder
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
		}
		err = cmd.Wait()
		if !strings.Contains(said.String(), want) || (err == nil) == strings.Contains(want, "WRONG") {
			t.Errorf("%s: %v, said %s; want %q", target, err, said.String(), want)
		}
	}
}
