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

// newSnapshot makes all documents of a view. before is the hash of the history
// until then.
func newSnapshot(v *directory.View, seal directory.Seal, before directory.Hash, key *keys.IdentityKey, legacy bool) (*snapshot, error) {
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
	topology := s.docs[directory.PathTopology].hash
	s.head = directory.Head{
		Network: v.Network, Sequence: seal.Sequence, Topology: topology,
		Chain: directory.Chain(before, seal.Sequence, directory.Link{ValidAfter: seal.ValidAfter, Topology: topology}),
	}
	s.head.Sign(key)
	head, err := json.Marshal(s.head)
	if err != nil {
		return nil, fmt.Errorf("directory: %s: %w", directory.PathHead, err)
	}
	s.docs[directory.PathHead] = newDocument(head)
	return s, nil
}

// sign makes the header for a document that was asked for at a path with its
// query.
func (s *snapshot) sign(uri string, d *document) string {
	seal := s.seal
	seal.Sign(s.key, uri, d.hash)
	return seal.String()
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
	text = s.sign(uri, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seals) < maxCachedSeals {
		s.seals[uri] = text
	}
	return text
}

// entry is what stays of a snapshot in the history.
func (s *snapshot) entry() Entry {
	return Entry{
		Sequence: s.seal.Sequence, Chain: s.head.Chain, Issued: s.seal.Issued,
		Link: directory.Link{ValidAfter: s.seal.ValidAfter, Topology: s.head.Topology},
	}
}
