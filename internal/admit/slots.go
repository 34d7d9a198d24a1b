package admit

import "context"

// Slots are for work that costs CPU time, such as handshakes: so many do it at
// once, the others wait their turn, and what they wait for leaves the rest of
// the CPUs alone (H23). Make them with NewSlots.
type Slots struct{ taken chan struct{} }

// NewSlots makes n slots, at least one.
func NewSlots(n int) Slots { return Slots{make(chan struct{}, max(1, n))} }

// Take waits for a slot, which must be given back. It fails with ctx.
func (s Slots) Take(ctx context.Context) error {
	select {
	case s.taken <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Give gives a slot back.
func (s Slots) Give() { <-s.taken }

// Do runs f in a slot. It fails with ctx, or as f does.
func (s Slots) Do(ctx context.Context, f func() error) error {
	if err := s.Take(ctx); err != nil {
		return err
	}
	defer s.Give()
	return f()
}

// Taken is how many are taken now.
func (s Slots) Taken() int { return len(s.taken) }
