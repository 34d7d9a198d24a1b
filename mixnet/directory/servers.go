package directory

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"nym-socks5/mixnet/keys"
)

// A Request is one request of a directory.
type Request struct {
	URL  string
	Body []byte // a JSON text to be posted; nil: a document is fetched
	// Have is the hash of the document that is here already, sent as
	// If-None-Match; zero: none.
	Have Hash
}

// A Response is what a directory answers.
type Response struct {
	Status int    // of HTTP
	Seal   string // the header [SealHeader]; empty: none
	Body   []byte // with more than [MaxFile] bytes it is refused
}

// A Fetch makes one request. It follows no redirect, since the path is signed;
// keeps no cookie and sends no header that tells who asks (H25); and reads no
// more of a body than MaxFile+1 bytes. Where it can tell why a request failed,
// its error is an [*AskError] without URL. The package dirhttp has one for
// programs; a browser has its own.
type Fetch func(ctx context.Context, r Request) (Response, error)

// An AskError says why a directory could not be asked, or not be believed, and
// what may help.
type AskError struct {
	URL    string // of the directory, as it was given
	Cause  error
	Remedy string // empty: none is known
}

// Error implements error.
func (e *AskError) Error() string {
	s := "directory " + e.URL + ": " + strings.TrimPrefix(e.Cause.Error(), "directory: ")
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap gives the cause.
func (e *AskError) Unwrap() error { return e.Cause }

// errNotFound reports a document that is not there, or not yet.
var errNotFound = errors.New("directory: there is no such document")

// Statuses of HTTP that are told apart.
const (
	statusOK          = 200
	statusNotModified = 304
	statusBadRequest  = 400
	statusNotFound    = 404
)

// Servers are the directories of one network, which all say the same. The one
// that answered last is asked first.
type Servers struct {
	bases []string // without a slash at the end
	last  int      // index into bases
	fetch Fetch
}

// NewServers checks URLs of directories, with or without /api at the end. There
// must be one at least.
func NewServers(urls []string, fetch Fetch) (*Servers, error) {
	if fetch == nil {
		return nil, errors.New("directory: nothing makes requests")
	}
	if len(urls) == 0 {
		return nil, errors.New("directory: no URL of a directory")
	}
	s := &Servers{fetch: fetch}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("directory: %q is not the http or https URL of a directory", text)
		}
		s.bases = append(s.bases, strings.TrimSuffix(u.String(), "/"))
	}
	return s, nil
}

// each tries do with every directory until one succeeds or says that going on
// makes no sense. Its errors are AskErrors, joined if there are several.
func (s *Servers) each(ctx context.Context, do func(base string) error) error {
	var errs []error
	for i := range s.bases {
		at := (s.last + i) % len(s.bases)
		err := do(s.bases[at])
		if err == nil {
			s.last = at
			return nil
		}
		known := new(AskError)
		if !errors.As(err, &known) {
			known.Cause = err
		}
		errs = append(errs, &AskError{URL: s.bases[at], Cause: known.Cause, Remedy: known.Remedy})
		if ctx.Err() != nil || errors.Is(err, ErrFork) || errors.As(err, new(*Refusal)) {
			break
		}
	}
	return errors.Join(errs...)
}

// An answer is a document as it was served.
type answer struct {
	body []byte // nil: the same as before
	hash Hash
	seal string // the header; empty: none
	uri  string // path with query, as the server saw it
	path string // without what the base URL has in front
}

// ask makes one request within requestTimeout.
func (s *Servers) ask(ctx context.Context, r Request) (Response, error) {
	asking, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := s.fetch(asking, r)
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() == nil && asking.Err() != nil:
		return resp, &AskError{Cause: fmt.Errorf("no answer within %v", requestTimeout), Remedy: "is the network up, and does nothing on the way filter it?"}
	}
	return resp, err
}

// get asks one directory for a document. have is the hash of the one already
// here; zero: none.
func (s *Servers) get(ctx context.Context, base, path string, have Hash) (*answer, error) {
	u, err := url.Parse(base + path)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	// The hash that we computed, not the tag that we were given: so the directory
	// cannot mark us (H25).
	resp, err := s.ask(ctx, Request{URL: base + path, Have: have})
	if err != nil {
		return nil, err
	}
	a := &answer{hash: have, seal: resp.Seal, uri: u.RequestURI(), path: path}
	switch {
	case resp.Status == statusOK:
	case resp.Status == statusNotModified && have != (Hash{}):
		return a, nil
	case resp.Status == statusNotFound:
		return nil, errNotFound
	default:
		return nil, unexpected(base, path, resp)
	}
	if err := checkBody(resp.Body); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	a.body = resp.Body
	if a.hash = sha256.Sum256(a.body); a.hash == have {
		a.body = nil
	}
	return a, nil
}

// unexpected makes the error of an answer that is no document.
func unexpected(base, path string, resp Response) error {
	var r Refusal
	if json.Unmarshal(resp.Body, &r) == nil {
		return fmt.Errorf("%s is answered with status %d: %s", path, resp.Status, r.Message)
	}
	err := &AskError{Cause: fmt.Errorf("%s is answered with status %d", path, resp.Status)}
	if text := string(resp.Body[:min(len(resp.Body), 1024)]); resp.Status == statusBadRequest && strings.HasPrefix(base, "http:") &&
		(strings.Contains(text, "HTTPS") || strings.Contains(text, "SSL-enabled")) {
		err.Cause, err.Remedy = errors.New("the port speaks https"), "write https:// in place of http://"
	}
	return err
}

func checkBody(b []byte) error {
	switch {
	case len(b) > MaxFile:
		return fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxFile)
	case len(b) == 0:
		return fmt.Errorf("%w: empty document", ErrMalformed)
	}
	return nil
}

// Schedule asks for the schedule of the network. key is the directory's; if it
// is zero, any answer is believed.
func (s *Servers) Schedule(ctx context.Context, key keys.Identity) (out Schedule, err error) {
	err = s.each(ctx, func(base string) error {
		got, err := s.get(ctx, base, PathRotation, Hash{})
		if err != nil {
			return err
		}
		if !key.IsZero() {
			seal, err := got.verify(key)
			if err != nil {
				return err
			}
			if time.Now().After(seal.ValidUntil.Add(clockSkew)) {
				return ErrTime
			}
		}
		var info nymRotationInfo
		if err := decode(got.body, &info); err != nil {
			return err
		}
		out, err = info.schedule()
		return err
	})
	return out, err
}

// verify checks that key sealed the answer.
func (a *answer) verify(key keys.Identity) (*Seal, error) {
	if a.seal == "" {
		return nil, &AskError{
			Cause:  fmt.Errorf("%w: it signs nothing", ErrSignature),
			Remedy: "it is no directory of nym-socks5: leave out the key to use it unverified",
		}
	}
	seal, err := ParseSeal(a.seal)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	switch {
	case seal.Key != key:
		return nil, &AskError{
			Cause:  fmt.Errorf("%w: it signs with key %v, and %v is pinned", ErrSignature, seal.Key, key),
			Remedy: "check the directory's key",
		}
	case !seal.Verify(key, a.uri, a.hash) && !seal.Verify(key, a.path, a.hash):
		return nil, ErrSignature
	}
	return seal, nil
}

// Announce hands over an announcement in its signed form. If a directory
// refuses it, the error is a [*Refusal]. key is the directory's; if it is zero,
// the head it states is believed.
func (s *Servers) Announce(ctx context.Context, signed []byte, key keys.Identity) (l Lease, err error) {
	err = s.each(ctx, func(base string) error {
		resp, err := s.ask(ctx, Request{URL: base + PathAnnounce, Body: signed})
		if err != nil {
			return err
		}
		if resp.Status != statusOK {
			refused := new(Refusal)
			if json.Unmarshal(resp.Body, refused) != nil || refused.Code == CodeNotFound {
				return unexpected(base, PathAnnounce, resp)
			}
			if refused.Code == CodeBusy {
				return fmt.Errorf("it is busy: %s", refused.Message) // another may not be
			}
			return refused
		}
		if err := checkBody(resp.Body); err != nil {
			return err
		}
		l = Lease{}
		if err := decode(resp.Body, &l); err != nil {
			return err
		}
		if !key.IsZero() && !l.Head.IsZero() && !l.Head.Verify(key) {
			return ErrSignature
		}
		return nil
	})
	return l, err
}
