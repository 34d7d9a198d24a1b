package gateway

// Limits of what is kept for clients.
type Limits struct {
	// ClientBytes is how much mail one client may have. If zero, it is 16 MiB.
	ClientBytes int
	// TotalBytes is how much mail there may be in all. If zero, it is 1 GiB.
	TotalBytes int
	// Clients is how many may be registered. If zero, it is 2^20.
	Clients int
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	for _, d := range []struct {
		v  *int
		to int
	}{{&l.ClientBytes, defaultClientBytes}, {&l.TotalBytes, defaultTotalBytes}, {&l.Clients, defaultClients}} {
		if *d.v == 0 {
			*d.v = d.to
		}
	}
	return l
}

// Usage is what an inbox holds, in bytes.
type Usage struct {
	Box      int // of the client that the mail is for
	Total    int // of all clients
	Unproved int // of Total, what was stored as unproved mail
}

// Room reports whether n more bytes may be stored for a client. Mail that was
// stored has been acknowledged, and is never given up for other mail (see
// decision 0006): so room must be left, for everybody, before it is needed.
//
//	total  ┌────────────────────────┐
//	       │ unproved clients   1/16│  each as much as is left of it
//	       ├────────────────────────┤
//	       │ guaranteed             │  to every box below guaranteedBytes
//	       ├── half of the rest ────┤
//	       │ pool                   │  each box as much as is left of it
//	       └────────────────────────┘
//
// A box that may hold as much as is left leaves as much again to the others: two
// greedy ones take a third of the pool each, a hundred of them a hundredth. The
// more is stored, the smaller a fair share becomes. New mail for a box above it is
// refused until some of its mail is fetched.
func (l Limits) Room(u Usage, n int, unproved bool) bool {
	few := l.TotalBytes / unprovedShare
	box := u.Box + n
	if box > l.ClientBytes {
		return false
	}
	if unproved {
		return box <= few-u.Unproved
	}
	all, stored := l.TotalBytes-few, u.Total-u.Unproved
	return stored+n <= all && box <= max(all/2-stored, min(guaranteedBytes, all/unprovedShare))
}
