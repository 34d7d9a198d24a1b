package gateway

import (
	"sync"

	"nym-socks5/mixnet/keys"
)

// Watches has those who watch an inbox, for stores of one process. The zero
// Watches is ready.
type Watches struct {
	mu sync.Mutex
	m  map[keys.Identity]map[*func()]struct{}
}

// Watch does what [Inbox] says.
func (w *Watches) Watch(client keys.Identity, arrived func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.m == nil {
		w.m = make(map[keys.Identity]map[*func()]struct{})
	}
	if w.m[client] == nil {
		w.m[client] = make(map[*func()]struct{})
	}
	w.m[client][&arrived] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.m[client], &arrived)
		if len(w.m[client]) == 0 {
			delete(w.m, client)
		}
	}
}

// Arrived calls whoever watches a client. It is called after its mail is there
// for Fetch.
func (w *Watches) Arrived(client keys.Identity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for arrived := range w.m[client] {
		(*arrived)()
	}
}
