// Package announce keeps a node in its network's directory: it says again and
// again who the node is and which keys it has.
//
//	a, err := announce.New(announce.Config{
//		URLs: urls, Key: directoryKey, Fetch: web.Fetch,
//		Identity: identity, Announcement: said, Keyring: ring, OnKeys: node.SetKeys,
//	})
//	...
//	err = a.Run(ctx)
//
// An [Announcer] holds a lease, and renews it before half of it is over. Where
// it has a [Keyring], it draws and drops the node's Sphinx keys as the network's
// schedule says, hands them to the node first, and announces them then.
//
//	directory ◀── signed announcement ── Announcer ── keys ──▶ node
//	          ─── lease, head ─────────▶     │
//	                                      Keyring
//
// The Announcer owns the Keyring while it runs. It does not store keys: OnKeys
// does. A requester has no Sphinx keys, and so no Keyring.
package announce
