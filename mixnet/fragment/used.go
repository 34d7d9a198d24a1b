package fragment

// A memory remembers the sets that are over, because retransmissions bring
// their fragments again: at least the last maxUsed of them, at most twice as
// many. The zero memory is empty.
type memory struct{ young, old map[key]struct{} }

func (m *memory) has(k key) bool {
	if _, ok := m.young[k]; ok {
		return true
	}
	_, ok := m.old[k]
	return ok
}

func (m *memory) add(k key) {
	if len(m.young) >= maxUsed {
		m.old, m.young = m.young, nil
	}
	if m.young == nil {
		m.young = make(map[key]struct{})
	}
	m.young[k] = struct{}{}
}
