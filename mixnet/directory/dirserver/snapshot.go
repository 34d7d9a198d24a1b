package dirserver

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"nym-socks5/mixnet/directory"
	"nym-socks5/mixnet/keys"
)

// A document is the body of one answer.
type document struct {
	body []byte
	hash directory.Hash
}

func newDocument(body []byte) *document { return &document{body, sha256.Sum256(body)} }

// A snapshot is everything a directory says at one moment. All its documents
// are made from one View, before anybody can ask for them, and never change.
type snapshot struct {
	view     *directory.View
	seal     directory.Seal // without signature
	head     directory.Head
	docs     map[string]*document // by path
	routable bool
	key      *keys.IdentityKey

	// seals remembers signatures, which cover the query too. When it is full,
	// further ones are made each time.
	mu    sync.Mutex
	seals map[string]string
}

// newSnapshot makes all documents of a view.
func newSnapshot(v *directory.View, seal directory.Seal, key *keys.IdentityKey, legacy bool) (*snapshot, error) {
	bodies, err := v.Documents(legacy)
	if err != nil {
		return nil, err
	}
	s := &snapshot{
		view: v, seal: seal, key: key, routable: v.Routable(),
		docs: make(map[string]*document, len(bodies)+1), seals: make(map[string]string),
	}
	for path, body := range bodies {
		s.docs[path] = newDocument(body)
	}
	s.head = directory.Head{Network: v.Network, Sequence: seal.Sequence, Topology: s.docs[directory.PathTopology].hash}
	s.head.Sign(key)
	head, err := json.Marshal(s.head)
	if err != nil {
		return nil, fmt.Errorf("directory: %s: %w", directory.PathHead, err)
	}
	s.docs[directory.PathHead] = newDocument(head)
	return s, nil
}

// sealFor gives the header for a document that was asked for at a path with its
// query.
func (s *snapshot) sealFor(uri string, d *document) string {
	s.mu.Lock()
	text, ok := s.seals[uri]
	s.mu.Unlock()
	if ok {
		return text
	}
	seal := s.seal
	seal.Sign(s.key, uri, d.hash)
	text = seal.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seals) < maxCachedSeals {
		s.seals[uri] = text
	}
	return text
}
