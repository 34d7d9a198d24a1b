package dirserver

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"nym-socks5/mixnet/directory"
)

// serveHistory answers with the links from a number on, at most
// [directory.MaxLinks], so that clients see an unbroken chain (H24).
func (s *Server) serveHistory(w http.ResponseWriter, r *http.Request, p *published) {
	if !readable(w, r) {
		return
	}
	text := r.URL.Query().Get("from")
	from, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(from, 10) != text || from == 0 {
		fail(w, http.StatusBadRequest, directory.CodeMalformed, "from is the number of a document, 1 or more")
		return
	}
	newest := p.current.head.Sequence
	if p.next != nil {
		newest = p.next.head.Sequence
	}
	h, err := s.history(r.Context(), from, newest)
	if err != nil {
		s.cfg.Log.Error().Err(err).Msg("history not read")
		fail(w, http.StatusServiceUnavailable, directory.CodeBusy, "the history cannot be read")
		return
	}
	if h == nil {
		fail(w, http.StatusNotFound, directory.CodeNotFound, "there is no such document yet")
		return
	}
	body, err := json.Marshal(h)
	if err != nil {
		fail(w, http.StatusInternalServerError, "internal", "the history cannot be written")
		return
	}
	d := newDocument(body)
	p.current.write(w, r, d, p.current.sign(r.URL.RequestURI(), d))
}

// history reads a piece of the history; nil: it would begin after the newest
// document.
func (s *Server) history(ctx context.Context, from, newest uint64) (*directory.History, error) {
	first, err := s.cfg.Store.History(ctx, 0, 1)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	h := &directory.History{Network: s.cfg.Network, Oldest: first[0].Sequence, Newest: newest}
	if directory.Chain(directory.Hash{}, first[0].Sequence, first[0].Link) != first[0].Chain {
		h.Oldest++ // what came before the first one kept is not known any more
	}
	h.From = max(from, h.Oldest)
	if h.From > newest+1 {
		return nil, nil
	}
	entries, err := s.cfg.Store.History(ctx, h.From-1, directory.MaxLinks+1)
	if err != nil {
		return nil, err
	}
	next := h.From
	for _, e := range entries {
		switch {
		case e.Sequence == h.From-1:
			h.Before = e.Chain
		case e.Sequence == next && next <= newest && len(h.Links) < directory.MaxLinks:
			h.Links = append(h.Links, e.Link)
			next++
		}
	}
	return h, nil
}
