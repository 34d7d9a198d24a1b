package service

// room is the bytes of transactions that wait, on disk and in memory. The loop owns it.
//
// A tag may have half of what is left, so that there is always some left: one that is
// greedy gets a third of all, a hundred get a hundredth each. Nobody's transaction goes
// to make room for another's, since whoever was told that it is queued does not send it
// again.
type room struct {
	total, used int64
}

// has reports whether there is room for a transaction of n bytes of a client.
func (r *room) has(s *clientState, n int) bool {
	return s.held+int64(n)+jobOverhead <= (r.total-r.used)/2
}

// take takes it, even where there is none: what was on disk when the process began stays.
func (r *room) take(s *clientState, n int) {
	size := int64(n) + jobOverhead
	s.held += size
	r.used += size
}

// give gives it back.
func (r *room) give(s *clientState, n int) {
	size := int64(n) + jobOverhead
	s.held -= size
	r.used -= size
}
