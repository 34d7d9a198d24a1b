package wsapi

import "nym-socks5/mixnet"

// A subscription says which messages a program is to get. Nil: all.
type subscription struct {
	tags    map[mixnet.SenderTag]struct{} // of strangers
	replies bool                          // to what the program sent anonymously
	others  bool                          // those that nobody else has subscribed to by name
}

// names reports whether a program has subscribed to a message by name. spoke are
// the tags under which it sent something.
func (s *subscription) names(m mixnet.Message, spoke map[mixnet.SenderTag]struct{}) bool {
	if s == nil {
		return false
	}
	if _, ok := s.tags[m.From]; ok && !m.From.IsZero() {
		return true
	}
	_, ours := spoke[m.To]
	return s.replies && ours && !m.To.IsZero()
}
