package directory

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Link is what the history of a directory has of one topology document.
type Link struct {
	ValidAfter time.Time
	Topology   Hash // of the document
}

// Chain gives the hash of a history that is longer by the link with a number:
// SHA-256 over the lines of nodes.md §4.11. The history of nothing has the zero
// Hash. Two histories with one hash are the same in all that came before.
func Chain(before Hash, sequence uint64, l Link) Hash {
	return sha256.Sum256(fmt.Appendf(nil, "nym-socks5 chain v1\n%s\n%d\n%s\n%s\n", before, sequence, sealTime(l.ValidAfter), l.Topology))
}

// A History is a piece of the history of a directory, as it is served: the links
// of documents with the numbers From, From+1, and so on.
type History struct {
	Network string
	Oldest  uint64 // the first number that the directory still shows
	Newest  uint64 // the last one that it issued
	From    uint64
	Before  Hash   // of the history up to From-1
	Links   []Link // at most MaxLinks
}

type historyJSON struct {
	Network string   `json:"network"`
	Oldest  uint64   `json:"oldest"`
	Newest  uint64   `json:"newest"`
	From    uint64   `json:"from"`
	Before  string   `json:"before"`
	Links   []string `json:"links"` // valid-after, a space, the hash of the document
}

// MarshalJSON gives the form of nodes.md §4.11.
func (h History) MarshalJSON() ([]byte, error) {
	j := historyJSON{h.Network, h.Oldest, h.Newest, h.From, h.Before.String(), make([]string, 0, len(h.Links))}
	for _, l := range h.Links {
		j.Links = append(j.Links, sealTime(l.ValidAfter)+" "+l.Topology.String())
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads that form. Its errors wrap [ErrMalformed].
func (h *History) UnmarshalJSON(b []byte) error {
	var j historyJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("%w: history: %v", ErrMalformed, err)
	}
	n := uint64(len(j.Links))
	if n > MaxLinks || j.Oldest == 0 || j.From < j.Oldest || j.Newest < j.Oldest || j.From-1 > j.Newest || n > j.Newest-(j.From-1) {
		return fmt.Errorf("%w: history of %d links from %d, where there are %d to %d", ErrMalformed, n, j.From, j.Oldest, j.Newest)
	}
	out := History{Network: j.Network, Oldest: j.Oldest, Newest: j.Newest, From: j.From, Links: make([]Link, n)}
	var err error
	if out.Before, err = ParseHash(j.Before); err != nil {
		return err
	}
	for i, text := range j.Links {
		at, hash, _ := strings.Cut(text, " ")
		l := &out.Links[i]
		if l.ValidAfter, err = parseSealTime(at); err != nil {
			return err
		}
		if l.Topology, err = ParseHash(hash); err != nil {
			return err
		}
	}
	*h = out
	return nil
}

// PathHistory is where the history from a number on is.
func PathHistory(from uint64) string { return fmt.Sprintf("%s?from=%d", PathHeads, from) }
