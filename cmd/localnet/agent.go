package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"nym-socks5/internal/socksclient"
)

// An agent fetches and sends over HTTP through a SOCKS port, as a user would.
type agent interface {
	// get copies what is at url to w.
	get(ctx context.Context, v socksclient.Version, url string, w io.Writer) error
	// put sends body to url, and copies the answer to w.
	put(ctx context.Context, v socksclient.Version, url string, body []byte, w io.Writer) error
}

// newAgent gives the system's curl or, where there is none, the built-in client.
func newAgent(socks string, noCurl bool) (a agent, about string) {
	if noCurl {
		return builtin{socks}, "the built-in client"
	}
	path, err := exec.LookPath("curl")
	if err != nil {
		return builtin{socks}, "the built-in client, since there is no curl here"
	}
	return curl{path, socks}, path
}

// curl is the system's curl.
type curl struct {
	path  string
	socks string // "host:port" of the proxy
}

func (c curl) get(ctx context.Context, v socksclient.Version, url string, w io.Writer) error {
	return c.run(ctx, v, nil, w, url)
}

func (c curl) put(ctx context.Context, v socksclient.Version, url string, body []byte, w io.Writer) error {
	return c.run(ctx, v, bytes.NewReader(body), w, "--upload-file", "-", "--header", "Expect:", url)
}

// A curlError is how curl failed: its exit code and what it said.
type curlError struct {
	exit int
	text string
}

func (e *curlError) Error() string { return fmt.Sprintf("curl ended with code %d: %s", e.exit, e.text) }

func (c curl) run(ctx context.Context, v socksclient.Version, in io.Reader, out io.Writer, args ...string) error {
	option := map[socksclient.Version]string{
		socksclient.V5: "--socks5-hostname", socksclient.V4a: "--socks4a", socksclient.V4: "--socks4",
	}[v]
	// --disable comes first: whatever the user's curlrc says, this goes through our port.
	args = append([]string{"--disable", "--silent", "--show-error", "--fail", "--no-buffer", option, c.socks}, args...)
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Env = withoutProxies(os.Environ())
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && ctx.Err() == nil {
		return &curlError{exit.ExitCode(), strings.TrimSpace(said.String())}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// withoutProxies leaves out what would lead curl elsewhere: no_proxy and its like.
func withoutProxies(env []string) (kept []string) {
	for _, e := range env {
		name, _, _ := strings.Cut(strings.ToLower(e), "=")
		if !strings.HasSuffix(name, "_proxy") {
			kept = append(kept, e)
		}
	}
	return kept
}

// builtin is the SOCKS client of this program.
type builtin struct {
	socks string
}

func (b builtin) get(ctx context.Context, v socksclient.Version, url string, w io.Writer) error {
	return b.do(ctx, v, http.MethodGet, url, nil, w)
}

func (b builtin) put(ctx context.Context, v socksclient.Version, url string, body []byte, w io.Writer) error {
	return b.do(ctx, v, http.MethodPut, url, bytes.NewReader(body), w)
}

func (b builtin) do(ctx context.Context, v socksclient.Version, method, url string, body io.Reader, w io.Writer) error {
	d := socksclient.Dialer{Proxy: b.socks, Version: v}
	transport := &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the web server answered %s", resp.Status)
	}
	_, err = io.Copy(w, resp.Body)
	return err
}
