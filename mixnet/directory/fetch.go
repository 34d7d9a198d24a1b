package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// requestTimeout bounds one request with its answer.
const requestTimeout = 30 * time.Second

// agent is the same for everybody (H25).
const agent = "nym-socks5"

// errNotFound reports a document that is not there, or not yet.
var errNotFound = errors.New("directory: not found")

// An answer is a document as it was served.
type answer struct {
	body []byte // nil: the same as before
	hash Hash
	seal string // the header; empty: none
	uri  string // path with query, as the server saw it
	path string // without what the base URL has in front
}

// A fetcher asks the directories of one network, the one that answered last
// first.
type fetcher struct {
	bases []string
	last  int // index into bases
	http  *http.Client
}

func newFetcher(urls []string, c *http.Client) (*fetcher, error) {
	if len(urls) == 0 {
		return nil, errors.New("directory: no URL of a directory")
	}
	f := &fetcher{http: c}
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("directory: %q is not the http or https URL of a directory", s)
		}
		f.bases = append(f.bases, strings.TrimSuffix(u.String(), "/"))
	}
	if c == nil {
		f.http = &http.Client{Transport: newTransport()}
	} else {
		own := *c
		f.http = &own
	}
	// What is signed is the path that was asked for.
	f.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	f.http.Jar = nil // no answer differs by client (H25)
	return f, nil
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = 2
	return t
}

// each tries do with every base until one succeeds or says that going on makes
// no sense.
func (f *fetcher) each(ctx context.Context, do func(base string) error) error {
	var err error
	for i := range f.bases {
		at := (f.last + i) % len(f.bases)
		if err = do(f.bases[at]); err == nil {
			f.last = at
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, ErrFork) || errors.As(err, new(*Refusal)) {
			break
		}
	}
	return err
}

// get asks one directory for a document. have is the hash of the one already
// here; zero: none.
func (f *fetcher) get(ctx context.Context, base, path string, have Hash) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "application/json")
	if have != (Hash{}) {
		// The hash we computed, not the tag we were given: the directory cannot
		// mark us (H25).
		req.Header.Set("If-None-Match", have.etag())
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	defer resp.Body.Close()
	a := &answer{hash: have, seal: resp.Header.Get(SealHeader), uri: req.URL.RequestURI(), path: path}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if have == (Hash{}) {
			return nil, errors.New("directory: unasked-for 304")
		}
		return a, nil
	case http.StatusNotFound:
		return nil, errNotFound
	default:
		return nil, fmt.Errorf("directory: %s answers %s", path, resp.Status)
	}
	if a.body, err = readBounded(resp.Body); err != nil {
		return nil, fmt.Errorf("directory: %s: %w", path, err)
	}
	if a.hash = sha256.Sum256(a.body); a.hash == have {
		a.body = nil
	}
	return a, nil
}

// post sends a JSON text to one directory and gives its answer.
func (f *fetcher) post(ctx context.Context, base, path string, body string) (status int, out []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("directory: %w", err)
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("directory: %w", err)
	}
	defer resp.Body.Close()
	out, err = readBounded(resp.Body)
	return resp.StatusCode, out, err
}

func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > MaxFile:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxFile)
	case len(b) == 0:
		return nil, fmt.Errorf("%w: empty document", ErrMalformed)
	}
	return b, nil
}
