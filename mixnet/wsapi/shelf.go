package wsapi

import "nym-socks5/mixnet"

// A shelf keeps messages, up to a number and a sum of bytes. When one more does
// not fit, the oldest go.
type shelf struct {
	maxMessages, maxBytes int
	messages              []mixnet.Message
	bytes                 int
}

// add keeps a message and says how many were dropped for it.
func (s *shelf) add(m mixnet.Message) (dropped int) {
	s.messages = append(s.messages, m)
	s.bytes += len(m.Body)
	for len(s.messages) > s.maxMessages || s.bytes > s.maxBytes {
		s.bytes -= len(s.messages[0].Body)
		s.messages[0] = mixnet.Message{}
		s.messages = s.messages[1:]
		dropped++
	}
	return dropped
}

// clear gives all messages, oldest first, and keeps none.
func (s *shelf) clear() []mixnet.Message {
	all := s.messages
	s.messages, s.bytes = nil, 0
	return all
}
