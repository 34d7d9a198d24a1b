package chain

import (
	"errors"
	"fmt"
	"mime"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nym-socks5/internal/broadcast"
)

// A Spec says which node is asked for a chain, and how.
type Spec struct {
	Name   string // by which requests name the chain
	Kind   broadcast.Kind
	URL    string // http or https, without user and password
	Number uint64 // chain id that an Ethereum node must have; zero: any
	// Credentials is a file with USER:PASSWORD, read at each call, since nodes draw new
	// ones when they start. If empty, there are none.
	Credentials string
	// CA is a file with the certificates, in PEM, that a node over https is certified by.
	// If empty, they are those of the system.
	CA string
	// Type is what a Post says its body is. If empty, it is application/octet-stream.
	Type string
}

// Parse reads a Spec as operators write it, in words with spaces between them:
//
//	NAME KIND URL [credentials=FILE] [ca=FILE] [id=NUMBER] [type=MEDIATYPE]
//
// Paths are absolute.
func Parse(line string) (s Spec, err error) {
	words := strings.Fields(line)
	if len(words) < 3 {
		return s, fmt.Errorf("%q says too little; write NAME KIND URL, such as: bitcoin bitcoin http://127.0.0.1:8332/", line)
	}
	s.Name, s.Kind, s.URL = words[0], broadcast.Kind(words[1]), words[2]
	if !broadcast.ValidChain(s.Name) {
		return s, fmt.Errorf("%q is no name of a chain: up to %d of a-z, 0-9 and hyphens", s.Name, broadcast.MaxChain)
	}
	if !slices.Contains(broadcast.Kinds(), s.Kind) {
		return s, fmt.Errorf("chain %s: there is no kind %q; it can be bitcoin, ethereum, monero or post", s.Name, words[1])
	}
	if err := checkURL(s.URL); err != nil {
		return s, fmt.Errorf("chain %s: %w", s.Name, err)
	}
	given := make(map[string]bool)
	for _, word := range words[3:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok || value == "" || given[key] {
			return s, fmt.Errorf("chain %s: %q: write each of credentials=FILE, ca=FILE, id=NUMBER and type=MEDIATYPE at most once", s.Name, word)
		}
		given[key] = true
		if err := s.set(key, value); err != nil {
			return s, fmt.Errorf("chain %s: %w", s.Name, err)
		}
	}
	return s, nil
}

func (s *Spec) set(key, value string) (err error) {
	path := func() (string, error) {
		if !filepath.IsAbs(value) {
			return "", fmt.Errorf("%s=%s is no absolute path", key, value)
		}
		return value, nil
	}
	switch {
	case key == "credentials":
		s.Credentials, err = path()
	case key == "ca" && strings.HasPrefix(s.URL, "https:"):
		s.CA, err = path()
	case key == "ca":
		return errors.New("ca is for https")
	case key == "id" && s.Kind == broadcast.Ethereum:
		if s.Number, err = strconv.ParseUint(value, 10, 64); err != nil || s.Number == 0 {
			return fmt.Errorf("id=%s is no chain id", value)
		}
	case key == "id":
		return errors.New("id is for kind ethereum")
	case key == "type" && s.Kind == broadcast.Post:
		if s.Type, _, err = mime.ParseMediaType(value); err != nil || s.Type != value {
			return fmt.Errorf("type=%s is no media type; write it like application/json", value)
		}
	case key == "type":
		return errors.New("type is for kind post")
	default:
		return fmt.Errorf("there is no %s; there are credentials, ca, id and type", key)
	}
	return err
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("%q is no URL of a node; write it like http://127.0.0.1:8332/", text)
	case u.User != nil:
		return errors.New("its URL has a user or password in it, which logs and lists of processes would show; put USER:PASSWORD into a file and say credentials=FILE")
	case u.Fragment != "":
		return errors.New("its URL has a # in it")
	}
	return nil
}
