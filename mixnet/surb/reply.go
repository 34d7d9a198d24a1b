package surb

import (
	"crypto/rand"
	"errors"
	"fmt"

	"lukechampine.com/blake3"

	"nym-socks5/mixnet"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/sphinx"
)

// ErrMalformed reports bytes that no conforming sender produces.
var ErrMalformed = errors.New("surb: malformed")

// DigestSize is the size of a Digest in bytes.
const DigestSize = 32

// A Digest is the BLAKE3 hash of a reply key. It stands in front of what was
// sealed with the key, so that the owner finds the key (sphinx.md §5.2).
type Digest [DigestSize]byte

// DigestOf gives the digest of a reply key.
func DigestOf(k keys.Reply) Digest { return blake3.Sum256(k[:]) }

// A Reply is a reply SURB as a stranger holds it: good for one packet to its
// owner, whom it does not name.
type Reply struct {
	Key  keys.Reply
	SURB sphinx.SURB
	// Rotation is the one that the SURB was made for. It travels beside the
	// SURB and goes with the packet.
	Rotation mixnet.Rotation
}

// ReplySize is the size in bytes of an encoded Reply.
func ReplySize(v sphinx.Version, hops int) int {
	return keys.SymmetricSize + sphinx.SURBSize(v, hops)
}

// AppendBinary implements [encoding.BinaryAppender]: the key, then the SURB.
// The rotation is not part of it.
func (r *Reply) AppendBinary(b []byte) ([]byte, error) {
	return r.SURB.AppendBinary(append(b, r.Key[:]...))
}

// ParseReply parses exactly one key and its SURB and copies them. Its errors
// wrap [ErrMalformed].
func ParseReply(b []byte, rotation mixnet.Rotation) (Reply, error) {
	if len(b) < keys.SymmetricSize {
		return Reply{}, fmt.Errorf("%w: reply SURB of %d bytes", ErrMalformed, len(b))
	}
	s, err := sphinx.ParseSURB(b[keys.SymmetricSize:])
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return Reply{Key: keys.Reply(b), SURB: s, Rotation: rotation}, nil
}

// Mint makes one reply SURB for each route. A route ends at our own gateway,
// where the last hop hands what comes to self. The rotation is that of the
// keys in the routes.
func Mint(b *sphinx.Builder, v sphinx.Version, rotation mixnet.Rotation, self keys.Identity, routes [][]sphinx.Hop) ([]Reply, error) {
	drawn := make([]mintDraw, len(routes))
	for i := range drawn {
		drawn[i].draw()
	}
	return mint(b, v, rotation, self, routes, drawn)
}

// mintDraw is what Mint draws for one SURB.
type mintDraw struct {
	key     keys.Reply
	secret  [32]byte
	padding [sphinx.MaxPadding]byte
}

func (d *mintDraw) draw() {
	d.key = keys.NewReply()
	rand.Read(d.secret[:])
	rand.Read(d.padding[:])
}

func mint(b *sphinx.Builder, v sphinx.Version, rotation mixnet.Rotation, self keys.Identity, routes [][]sphinx.Hop, drawn []mintDraw) ([]Reply, error) {
	jobs := make([]sphinx.Job, len(routes))
	for i, route := range routes {
		jobs[i] = sphinx.Job{
			Version: v,
			Route:   route,
			Dest:    self,
			Secret:  drawn[i].secret,
			Padding: drawn[i].padding,
			SURB:    make([]byte, sphinx.SURBSize(v, len(route))),
		}
	}
	if err := b.Build(jobs); err != nil {
		return nil, fmt.Errorf("surb: mint: %w", err)
	}
	replies := make([]Reply, len(routes))
	for i := range replies {
		s, err := sphinx.ParseSURB(jobs[i].SURB)
		if err != nil {
			return nil, fmt.Errorf("surb: mint: %w", err)
		}
		replies[i] = Reply{Key: drawn[i].key, SURB: s, Rotation: rotation}
	}
	return replies, nil
}
