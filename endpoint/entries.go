package endpoint

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"nym-socks5/internal/base58"
	"nym-socks5/mixnet/client"
	"nym-socks5/mixnet/keys"
	"nym-socks5/mixnet/topology"
)

// The record of the entries.
const (
	entriesName    = "entries"
	entriesVersion = 1
)

// Entries are the gateways by which an endpoint enters the mixnet, in the order
// of preference. They are drawn when the endpoint is new, and kept: who draws
// often meets a bad one.
type Entries struct {
	List  []Entry
	tried []attempt
	// ownSpent: the endpoint's own identity was that of an entry which is gone.
	ownSpent bool
	// named is a gateway that is used beside them, under the endpoint's own identity;
	// zero: there is none.
	named keys.Identity
	// secure: only gateways that are reached by TLS are drawn.
	secure bool
}

// ErrInsecure reports that no gateway can be reached by TLS, where only such will
// do.
var ErrInsecure = errors.New("endpoint: no gateway that may be used has wss")

// errNoGateways reports a network without gateways for clients, or without further ones.
var errNoGateways = errors.New("endpoint: no gateway of the network takes clients")

// An Entry is one of them.
type Entry struct {
	Gateway keys.Identity
	// Missing is since when the gateway is not in the topology; zero: it is.
	Missing time.Time
	// identity is by which the gateway knows the endpoint. If nil, it is the
	// endpoint's own.
	identity *keys.IdentityKey
}

// Identity is the one by which the gateway knows the endpoint; nil: the endpoint's
// own.
func (e Entry) Identity() *keys.IdentityKey { return e.identity }

// An attempt is a gateway that was drawn once.
type attempt struct {
	gateway keys.Identity
	at      time.Time
}

// LoadEntries gives the entries that are kept; none before they were drawn.
func LoadEntries(ctx context.Context, s Store) (*Entries, error) {
	text, err := Text(ctx, s, entriesName, entriesVersion)
	if err != nil || text == "" {
		return new(Entries), err
	}
	e, err := parseEntries([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrDamaged, entriesName, err)
	}
	return e, nil
}

// Save keeps them.
func (e *Entries) Save(ctx context.Context, s Store) error {
	b, err := e.marshal()
	if err != nil {
		return err
	}
	return s.Save(ctx, entriesName, Record{entriesVersion, b})
}

// The JSON form of the record. An entry without a seed has the endpoint's own
// identity.
type (
	entriesJSON struct {
		Entries  []entryJSON   `json:"entries"`
		Tried    []attemptJSON `json:"tried,omitempty"`
		OwnSpent bool          `json:"own_identity_spent,omitempty"`
	}
	entryJSON struct {
		Gateway string     `json:"gateway"`
		Seed    string     `json:"identity_seed,omitempty"`
		Missing *time.Time `json:"missing_since,omitempty"`
	}
	attemptJSON struct {
		Gateway string    `json:"gateway"`
		At      time.Time `json:"at"`
	}
)

func (e *Entries) marshal() ([]byte, error) {
	j := entriesJSON{OwnSpent: e.ownSpent}
	for _, g := range e.List {
		entry := entryJSON{Gateway: g.Gateway.String()}
		if g.identity != nil {
			seed := g.identity.Seed()
			entry.Seed = base58.Encode(seed[:])
		}
		if !g.Missing.IsZero() {
			entry.Missing = &g.Missing
		}
		j.Entries = append(j.Entries, entry)
	}
	for _, a := range e.tried {
		j.Tried = append(j.Tried, attemptJSON{a.gateway.String(), a.at})
	}
	return json.MarshalIndent(j, "", "  ")
}

func parseEntries(b []byte) (*Entries, error) {
	var j entriesJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, err
	}
	if len(j.Entries) > client.MaxEntries || len(j.Tried) > maxTried {
		return nil, fmt.Errorf("%d entries, %d tried; the most are %d and %d", len(j.Entries), len(j.Tried), client.MaxEntries, maxTried)
	}
	e := &Entries{ownSpent: j.OwnSpent}
	for _, x := range j.Entries {
		gateway, err := keys.ParseIdentityText(x.Gateway)
		if err != nil {
			return nil, err
		}
		if e.index(gateway) >= 0 || x.Seed == "" && (e.ownUsed() || e.ownSpent) {
			return nil, errors.New("two entries have one gateway, or one identity")
		}
		entry := Entry{Gateway: gateway}
		if x.Seed != "" {
			seed, err := base58.Decode(x.Seed)
			if err != nil || len(seed) != keys.Size {
				return nil, fmt.Errorf("an identity's seed is base58 of %d bytes", keys.Size)
			}
			entry.identity = keys.IdentityKeyFromSeed([keys.Size]byte(seed))
		}
		if x.Missing != nil {
			entry.Missing = *x.Missing
		}
		e.List = append(e.List, entry)
	}
	for _, x := range j.Tried {
		gateway, err := keys.ParseIdentityText(x.Gateway)
		if err != nil {
			return nil, err
		}
		e.tried = append(e.tried, attempt{gateway, x.At})
	}
	return e, nil
}

func (e *Entries) index(gateway keys.Identity) int {
	return slices.IndexFunc(e.List, func(g Entry) bool { return g.Gateway == gateway })
}

// ownUsed reports whether an entry has the endpoint's own identity.
func (e *Entries) ownUsed() bool {
	return slices.ContainsFunc(e.List, func(g Entry) bool { return g.identity == nil })
}

// Add puts a gateway at the end. Each is known the endpoint by an identity that
// no other gateway ever was shown.
func (e *Entries) Add(gateway keys.Identity) error {
	if e.ownUsed() || e.ownSpent || !e.named.IsZero() {
		return e.AddWith(gateway, keys.NewIdentityKey())
	}
	return e.AddWith(gateway, nil)
}

// AddWith does so with an identity by which the gateway knows the endpoint
// already; nil stands for the endpoint's own.
func (e *Entries) AddWith(gateway keys.Identity, identity *keys.IdentityKey) error {
	switch {
	case e.index(gateway) >= 0:
		return fmt.Errorf("endpoint: gateway %v is an entry already", gateway)
	case len(e.List) >= client.MaxEntries:
		return fmt.Errorf("endpoint: there are %d entries already, and each more is one that may watch: remove one first", client.MaxEntries)
	}
	e.List = append(e.List, Entry{Gateway: gateway, identity: identity})
	return nil
}

// Use puts a gateway first, which need not be one of them yet.
func (e *Entries) Use(gateway keys.Identity) error {
	if e.index(gateway) < 0 {
		if err := e.Add(gateway); err != nil {
			return err
		}
	}
	i := e.index(gateway)
	g := e.List[i]
	e.List = slices.Insert(slices.Delete(e.List, i, i+1), 0, g)
	return nil
}

// Remove takes a gateway out. Its identity is never used at another one.
func (e *Entries) Remove(gateway keys.Identity) error {
	i := e.index(gateway)
	if i < 0 {
		return fmt.Errorf("endpoint: gateway %v is not one of the entries", gateway)
	}
	e.ownSpent = e.ownSpent || e.List[i].identity == nil
	e.List = slices.Delete(e.List, i, i+1)
	return nil
}

// Tried notes a gateway that was drawn earlier.
func (e *Entries) Tried(gateway keys.Identity, at time.Time) {
	e.tried = append(e.tried, attempt{gateway, at})
}

// fill draws gateways until there are as many as wanted, and replaces those that
// are gone for good, unless there is to be one only, which others may know us by.
// It reports whether anything changed.
func (e *Entries) fill(n *topology.Network, most int, now time.Time) (changed bool, err error) {
	open := openGateways(n, e.secure)
	for i := len(e.List) - 1; i >= 0 && most > 1; i-- {
		g := &e.List[i]
		switch {
		case slices.Contains(open, g.Gateway):
			changed = changed || !g.Missing.IsZero()
			g.Missing = time.Time{}
		case g.Missing.IsZero():
			g.Missing, changed = now, true
		case now.Sub(g.Missing) > missingAfter:
			if err := e.Remove(g.Gateway); err != nil {
				return changed, err
			}
			changed = true
		}
	}
	e.tried = slices.DeleteFunc(e.tried, func(a attempt) bool { return now.Sub(a.at) > triedWithin })
	for len(e.List) < most && len(e.tried) < maxTried {
		fresh := slices.DeleteFunc(slices.Clone(open), func(g keys.Identity) bool { return e.index(g) >= 0 || g == e.named })
		if len(fresh) == 0 {
			break
		}
		g := draw(fresh)
		if err := e.Add(g); err != nil {
			return changed, err
		}
		e.tried, changed = append(e.tried, attempt{g, now}), true
	}
	if len(e.List) == 0 {
		if e.secure && len(openGateways(n, false)) > 0 {
			return changed, ErrInsecure
		}
		return changed, errNoGateways
	}
	return changed, nil
}

// openGateways lists the gateways that take clients, or only those that do by TLS.
func openGateways(n *topology.Network, secure bool) (open []keys.Identity) {
	for _, g := range n.Gateways() {
		if g.Clients != "" && (!secure || strings.HasPrefix(g.Clients, "wss:")) {
			open = append(open, g.Identity)
		}
	}
	return open
}

// draw draws one of several uniformly; there is at least one.
func draw[T any](from []T) T { return from[rand.New(cryptoSource{}).IntN(len(from))] }

// cryptoSource draws from crypto/rand. Its own Int would bring package math/big along, which
// a page that sends messages has to load.
type cryptoSource struct{}

// Uint64 implements [rand.Source].
func (cryptoSource) Uint64() uint64 {
	var b [8]byte
	_, _ = crand.Read(b[:]) // fails never: see there
	return binary.LittleEndian.Uint64(b[:])
}

// entries gives the gateways to enter by: the one of the Config, or those that
// were drawn, or both for an endpoint that is reached through several at once.
func (e *Endpoint) entries(ctx context.Context, own *keys.IdentityKey) (all []client.Entry, err error) {
	named := e.cfg.Gateway
	if !named.IsZero() && !e.cfg.SecureGateways && (!e.cfg.Egress || e.cfg.Gateways <= 1) {
		return []client.Entry{{Gateway: named, Identity: own}}, nil
	}
	n, err := e.cfg.Network.Topology(ctx)
	if err != nil {
		return nil, err
	}
	if !named.IsZero() {
		if e.cfg.SecureGateways && slices.Contains(openGateways(n, false), named) && !slices.Contains(openGateways(n, true), named) {
			return nil, ErrInsecure
		}
		all = append(all, client.Entry{Gateway: named, Identity: own})
	}
	most := client.MaxEntries
	if e.cfg.reachable() {
		most = max(1, e.cfg.Gateways)
	}
	if most -= len(all); most == 0 || len(all) > 0 && !e.cfg.Egress {
		return all, nil
	}
	kept, err := LoadEntries(ctx, e.cfg.Store)
	if err != nil {
		return nil, err
	}
	kept.secure, kept.named = e.cfg.SecureGateways, named
	changed, err := kept.fill(n, most, time.Now().UTC().Truncate(time.Second))
	if err == nil && changed {
		err = kept.Save(ctx, e.cfg.Store)
	}
	if err != nil && (named.IsZero() || !errors.Is(err, errNoGateways)) {
		return nil, err
	}
	for _, g := range kept.List {
		entry := client.Entry{Gateway: g.Gateway, Identity: g.identity}
		switch {
		case g.identity == nil && !named.IsZero(), g.Gateway == named, most == 0:
			continue // the endpoint's own identity is that of the one named
		case g.identity == nil:
			entry.Identity = own
		}
		all = append(all, entry)
		most--
	}
	return all, nil
}
