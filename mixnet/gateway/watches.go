package gateway

import (
	"slices"
	"sync"

	"nym-socks5/mixnet/keys"
)

// Watches has the watchers of an inbox, for stores of one process. The zero
// Watches is ready.
type Watches struct {
	mu sync.Mutex
	m  map[keys.Identity][]*func() // of most clients none or one
}

// Watch does what [Inbox] says.
func (w *Watches) Watch(client keys.Identity, arrived func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = make(map[keys.Identity][]*func())
	}
	w.m[client] = append(w.m[client], &arrived)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		left := slices.DeleteFunc(w.m[client], func(f *func()) bool { return f == &arrived })
		if len(left) == 0 {
			delete(w.m, client)
		} else {
			w.m[client] = left
		}
	}
}

// Arrived calls the watchers of a client. It is called after its mail is there
// for Fetch.
func (w *Watches) Arrived(client keys.Identity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, arrived := range w.m[client] {
		(*arrived)()
	}
}
