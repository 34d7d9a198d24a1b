package sessionserver

import (
	"container/list"
	"sync"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/session/protocol"
	"nym-socks5/mixnet/wire"
)

// An envelope seals and opens what goes over a session: a [protocol.Sealer], or
// a [protocol.LegacySealer] for a client with a legacy key.
type envelope interface {
	Overhead() int
	AppendPush(b, message []byte) []byte
	OpenForward(b []byte) (wire.MixPacket, error)
	SealText(plaintext []byte) (ciphertext, nonce protocol.Octets)
	OpenText(ciphertext, nonce protocol.Octets) ([]byte, error)
	// Dated and Undated report whether whoever made a request knows the key.
	Dated(client keys.Identity, a *protocol.Authenticate) bool
	Undated(l *protocol.Undated) bool
	// Memory is about how many bytes it takes.
	Memory() int
}

// sealers keep one envelope for each key, across connections, since it knows
// which frames were seen (H21). Those of clients with a connection are always
// kept; of the others the ones that left last, within a budget of memory. Of a
// client whose envelope was dropped a fresh login is demanded, dated after that.
type sealers struct {
	budget int // in bytes, for those without a connection

	mu     sync.Mutex // guards the following
	held   map[keys.Identity]*heldSealer
	absent list.List // of *heldSealer without a connection, the last to leave in front
	size   int       // of those, in bytes
}

type heldSealer struct {
	envelope
	client keys.Identity
	of     Account       // the row that the key is from
	users  int           // connections
	at     *list.Element // in absent; nil while there are users
	size   int           // as counted when it became absent
}

func newSealers(budget int) *sealers {
	return &sealers{budget: budget, held: make(map[keys.Identity]*heldSealer)}
}

// take gives the envelope of a client's key for one connection, which calls
// leave at its end. An envelope of another key is dropped; who uses it goes on
// to use it.
func (s *sealers) take(client keys.Identity, of Account) *heldSealer {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[client]
	if h == nil || !h.of.sameKey(of) {
		s.drop(h)
		h = &heldSealer{envelope: of.envelope(), client: client, of: of}
		s.held[client] = h
	}
	h.users++
	s.present(h)
	return h
}

// forget drops the envelope of a client.
func (s *sealers) forget(client keys.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.held[client])
}

// leave says that a connection no longer uses an envelope. It gives those that had
// to be dropped.
func (s *sealers) leave(h *heldSealer) (dropped []*heldSealer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.users--; h.users > 0 || s.held[h.client] != h {
		return nil
	}
	h.size = h.Memory()
	h.at = s.absent.PushFront(h)
	for s.size += h.size; s.size > s.budget; {
		last := s.absent.Back().Value.(*heldSealer)
		s.drop(last)
		dropped = append(dropped, last)
	}
	return dropped
}

// present takes an envelope off the list of absent ones. mu is held.
func (s *sealers) present(h *heldSealer) {
	if h.at != nil {
		s.absent.Remove(h.at)
		s.size -= h.size
		h.at = nil
	}
}

// drop forgets an envelope; nil: none. mu is held.
func (s *sealers) drop(h *heldSealer) {
	if h == nil {
		return
	}
	s.present(h)
	if s.held[h.client] == h {
		delete(s.held, h.client)
	}
}
