package chain

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"nym-socks5/internal/broadcast"
	"nym-socks5/internal/wholefile"
)

// maxBody bounds what is read of a reply, in bytes. What a node says to these
// questions has a few kilobytes; a receipt of a contract's call may have more.
const maxBody = 1 << 20

// maxCredentials is the size of the largest file with a user and a password.
const maxCredentials = 4096

// An Outcome is a node's word on a transaction.
type Outcome struct {
	Result broadcast.Result // Accepted, Known, Refused; of Check: Acceptable, Refused
	Reply  []byte           // as the node gave it
}

// A Sight is what a node says of a transaction it is asked about.
type Sight struct {
	Found     bool // it knows of it
	Confirmed bool // a block has it
	Reply     []byte
}

// A Node is the node of one chain. Its methods may be called by many goroutines.
type Node struct {
	spec    Spec
	client  *http.Client
	timeout time.Duration
	speak   speaker
}

// A speaker is what differs between kinds.
type speaker interface {
	send(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error)
	check(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error)
	look(ctx context.Context, h broadcast.Hash) (Sight, error)
}

// New makes a Node. It connects to nothing; it reads the certificates that the
// Spec names. Timeout bounds each call, with all that it asks.
func New(s Spec, timeout time.Duration) (*Node, error) {
	t := &http.Transport{
		Proxy:                  nil, // whatever the environment says
		DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
		DisableKeepAlives:      true, // a connection that died while idle looks like a call that was cut off
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if s.CA != "" {
		b, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("chain %s: %w", s.Name, err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("chain %s: there is no certificate in PEM in %s", s.Name, s.CA)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	n := &Node{
		spec: s, timeout: timeout,
		client: &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if s.Credentials != "" {
		if _, _, err := n.credentials(); err != nil && !errors.Is(err, os.ErrNotExist) { // a node may draw them later
			return nil, fmt.Errorf("chain %s: %w", s.Name, err)
		}
	}
	switch s.Kind {
	case broadcast.Bitcoin:
		n.speak = &bitcoin{n}
	case broadcast.Ethereum:
		n.speak = &ethereum{n: n}
	case broadcast.Monero:
		n.speak = &monero{n}
	case broadcast.Post:
		n.speak = &post{n}
	default:
		return nil, fmt.Errorf("chain %s: there is no kind %q", s.Name, string(s.Kind))
	}
	return n, nil
}

// Spec is what the Node was made of.
func (n *Node) Spec() Spec { return n.spec }

// Send hands a transaction over. After an error nobody knows whether the node has
// it: Send it again.
func (n *Node) Send(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return n.speak.send(ctx, tx, h)
}

// Check asks whether the node would take a transaction. Only kinds that [broadcast.Kind.Checks]
// can tell.
func (n *Node) Check(ctx context.Context, tx []byte, h broadcast.Hash) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return n.speak.check(ctx, tx, h)
}

// Look asks what the node knows of a transaction. Only kinds that [broadcast.Kind.Looks] can
// tell.
func (n *Node) Look(ctx context.Context, h broadcast.Hash) (Sight, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return n.speak.look(ctx, h)
}

// errCannot is of operations that a kind does not have.
var errCannot = errors.New("chain: nodes of this kind cannot tell")

// A reply is what a node said.
type reply struct {
	status int
	body   []byte
}

// post sends a body to the node's URL, with more behind it.
func (n *Node) post(ctx context.Context, more, mediaType string, body []byte, header http.Header) (reply, error) {
	url := n.spec.URL
	if more != "" {
		url = strings.TrimSuffix(url, "/") + more
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, fail(Strange, err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.GetBody = nil // a call that was cut off is not made again behind our back
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("User-Agent", "") // a node need not know what asks it
	if n.spec.Credentials != "" {
		user, password, err := n.credentials()
		if err != nil {
			return reply{}, fail(Unauthorized, err)
		}
		req.SetBasicAuth(user, password)
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return reply{}, classify(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return reply{}, classify(err)
	case len(b) > maxBody:
		return reply{}, fail(Strange, fmt.Errorf("a reply of more than %d bytes", maxBody))
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return reply{}, fail(Unauthorized, fmt.Errorf("status %d", resp.StatusCode))
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return reply{}, fail(Strange, errors.New("a redirect, which is not followed"))
	}
	return reply{resp.StatusCode, b}, nil
}

// credentials reads the user and the password.
func (n *Node) credentials() (user, password string, err error) {
	b, err := wholefile.ReadSecret(n.spec.Credentials, maxCredentials)
	if err != nil {
		return "", "", err
	}
	user, password, ok := strings.Cut(strings.TrimSpace(string(b)), ":")
	if !ok || user == "" {
		return "", "", fmt.Errorf("%s has no USER:PASSWORD", n.spec.Credentials)
	}
	return user, password, nil
}
