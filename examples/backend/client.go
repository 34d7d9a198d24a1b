package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"nym-socks5/endpoint"
	"nym-socks5/proxy"
)

// A client uses an API through a requester.
type client struct {
	base string // URL of the API as the requester reaches it, such as http://127.0.0.1:8090
	http *http.Client
	// again is how long to wait before a request is made once more.
	again time.Duration
}

// newClient makes the client. All that makes it one of a mixnet is DialContext: the
// stream goes to the requester, which connects to the API.
func newClient(e *endpoint.Endpoint, base string) *client {
	return &client{
		base: strings.TrimSuffix(base, "/"), again: 2 * time.Second,
		http: &http.Client{
			Transport:     &http.Transport{DialContext: e.DialContext},
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// do makes a request until there is an answer that will not change, or ctx ends. It
// must be one that may be made twice.
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	for {
		err := c.once(ctx, method, path, body, out)
		var last *httpError
		var open *proxy.OpenError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &last) && (last.status < 500 || last.status == http.StatusInsufficientStorage):
			return fmt.Errorf("backend: the API says: %w", err)
		case errors.As(err, &open) && open.Reason == proxy.ReasonDenied:
			return fmt.Errorf("backend: the requester's allowlist has no rule for the API: %w", err)
		}
		select {
		case <-time.After(c.again):
		case <-ctx.Done():
			return fmt.Errorf("backend: gave up: %w", err)
		}
	}
}

func (c *client) once(ctx context.Context, method, path string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	// What would tell which program of which version this is.
	req.Header.Set("User-Agent", "")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var told struct{ Error string }
		json.Unmarshal(b, &told) // else the status alone
		return &httpError{resp.StatusCode, fmt.Sprintf("%s: %s", resp.Status, told.Error)}
	}
	return json.Unmarshal(b, out)
}

// vote puts a ballot of a new number.
func (c *client) vote(ctx context.Context, option string) error {
	id := make([]byte, 16)
	rand.Read(id)
	return c.do(ctx, http.MethodPut, "/v1/ballots/"+hex.EncodeToString(id), ballot{option}, new(ballot))
}

func (c *client) result(ctx context.Context) (r result, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/result", nil, &r)
	return r, err
}
