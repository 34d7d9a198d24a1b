package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// What a client keeps of a snapshot for its next life: a line of JSON, and then
// the document as it was served, so that its signature can be checked again.
//
//	{"version":1,"path":"/v1/topology","seal":"v=1; …","chain":"<hex>"}\n{"metadata":…}
type savedJSON struct {
	Version int    `json:"version"`
	Path    string `json:"path"` // that the seal covers
	Seal    string `json:"seal"`
	Chain   string `json:"chain"` // hash of the history up to it
}

// appendSaved appends the form in which a snapshot is kept.
func (p *snapshot) appendSaved(b []byte, chain Hash) []byte {
	line, err := json.Marshal(savedJSON{1, p.path, p.seal.String(), chain.String()})
	if err != nil {
		panic("directory: " + err.Error()) // strings and a number
	}
	return append(append(append(b, line...), '\n'), p.body...)
}

// parseSaved reads it, and checks that key sealed it. Its errors wrap
// [ErrMalformed] or [ErrSignature].
func parseSaved(b []byte, key keys.Identity) (p *snapshot, chain Hash, err error) {
	line, body, ok := bytes.Cut(b, []byte("\n"))
	if !ok || len(line) > maxSavedLine {
		return nil, Hash{}, fmt.Errorf("%w: kept topology", ErrMalformed)
	}
	var j savedJSON
	if err := decode(line, &j); err != nil {
		return nil, Hash{}, err
	}
	if j.Version != 1 {
		return nil, Hash{}, fmt.Errorf("%w: kept topology of version %d", ErrMalformed, j.Version)
	}
	if chain, err = ParseHash(j.Chain); err != nil {
		return nil, Hash{}, err
	}
	a := &answer{body: body, hash: sha256.Sum256(body), seal: j.Seal, uri: j.Path, path: j.Path}
	seal, err := a.verify(key)
	if err != nil {
		return nil, Hash{}, err
	}
	p = &snapshot{seal: *seal, hash: a.hash, body: body, path: j.Path}
	if p.view, err = ParseFile(body); err != nil {
		return nil, Hash{}, err
	}
	if p.net, err = p.view.Topology(); err != nil && !errors.Is(err, topology.ErrInsufficient) {
		return nil, Hash{}, err
	}
	return p, chain, nil
}

// remember takes what an earlier life kept into the chain: older documents are
// refused, and later ones connected with it.
func (c *chain) remember(p *snapshot, chain Hash) error {
	n := p.seal.Sequence
	if n == 0 {
		return fmt.Errorf("%w: kept topology of sequence 0", ErrMalformed)
	}
	if err := c.note(n, entry{p.hash, chain, p.seal.ValidAfter}); err != nil {
		return err
	}
	if chain != (Hash{}) && (!c.hasTip || c.tip < n) {
		c.tip, c.tipChain, c.hasTip = n, chain, true
	}
	if n == c.newest {
		c.issued, c.accepted, c.first, c.began = p.seal.Issued, n, n, p.seal.ValidAfter
	}
	return nil
}

// restore reads what an earlier life kept. What cannot be read, or is of another
// directory, is left.
func (c *Client) restore() {
	if c.cfg.Saved == nil || c.cfg.Key.IsZero() {
		return
	}
	p, chain, err := parseSaved(c.cfg.Saved, c.cfg.Key)
	if err == nil && c.cfg.Network != "" && p.view.Network != c.cfg.Network {
		err = fmt.Errorf("it is of network %q", p.view.Network)
	}
	if err == nil {
		err = c.chain.remember(p, chain)
	}
	if err != nil {
		c.cfg.Log.Warn().Err(err).Msg("kept topology not used")
		return
	}
	c.kept = p
	c.saved.hash, c.saved.sequence = p.hash, p.seal.Sequence
}

// fallBack shows what an earlier life kept, because no directory answers, if it
// has not ended.
func (c *Client) fallBack(now time.Time) {
	p := c.kept
	if p == nil {
		return
	}
	c.kept = nil
	log := c.cfg.Log.Warn().Time("of", p.seal.ValidAfter).Time("until", p.seal.ValidUntil).Uint64("sequence", p.seal.Sequence)
	if now.After(p.seal.ValidUntil) || p.net == nil {
		log.Msg("no topology from a directory, and the kept one has ended: waiting for a directory")
		return
	}
	log.Msg("no topology from a directory: starting with the kept one")
	c.mu.Lock()
	c.chain.take(p, true)
	c.mu.Unlock()
	c.stale = true
	c.staleShown.Store(true)
	c.show()
}

// Stale reports whether what is shown is what an earlier life kept, because no
// directory has answered yet.
func (c *Client) Stale() bool { return c.staleShown.Load() }

// save keeps the snapshot in force for the next life: a new one not more often
// than every saveEvery, an unchanged one that is sealed anew hardly ever.
func (c *Client) save(now time.Time, last bool) {
	if c.cfg.Save == nil || c.cfg.Key.IsZero() {
		return
	}
	c.mu.Lock()
	p := c.chain.current
	var chain Hash
	if p != nil {
		chain = c.chain.known[p.seal.Sequence].chain
	}
	c.mu.Unlock()
	wait := saveEvery
	if p != nil && p.hash == c.saved.hash {
		wait = saveUnchanged
	}
	if p == nil || p.body == nil || p.seal.Sequence == c.saved.sequence || !last && !c.saved.at.IsZero() && now.Sub(c.saved.at) < wait {
		return
	}
	c.saved.at = now
	if err := c.cfg.Save(p.appendSaved(nil, chain)); err != nil {
		c.cfg.Log.Error().Err(err).Msg("topology not kept")
		return
	}
	c.saved.hash, c.saved.sequence = p.hash, p.seal.Sequence
}
