// Package boltstore keeps on disk what a gateway, a client, a directory and a mix
// node must not forget when they stop or are killed (docs/architecture.md §9).
//
//	gateway.Accounts ┐                 ┌──────────────────────────┐
//	gateway.Inbox    ┴─▶ Gateway ────▶ │ one bbolt file           │
//	client.Store     ──▶ Client  ────▶ │ one bbolt file           │
//	dirserver.Store  ──▶ Directory ──▶ │ one bbolt file           │
//	                        │          └──────────────────────────┘
//	                        └ group commit: whoever writes while the disk is
//	                          busy shares the next write with all who wait
//
//	mixnode.ReplayLog ─▶ ReplayLog ──▶ a file of its own for each Sphinx key,
//	                                   only ever appended to
//
// What a call has stored when it returns survives the end of the process and
// that of the machine. What it could not store is as if it had never been
// asked: a full or read-only disk gives errors, and the file stays whole.
//
// A file belongs to one program, is readable by its owner only, is locked while
// it is open, and has a version: files of newer versions are refused, those of
// the version before are brought up to date. It contains no identity but those
// that a directory publishes: rows are named by a keyed hash of whom they belong
// to (H38), so who reads the file cannot list clients, but can look for those
// they know of. What was deleted may
// stay legible in the file until its place is used again.
//
// The package does not encrypt, does not shrink files, starts no goroutine and
// knows no schedule: the gateway decides when mail is too old, the node's owner
// when a key is retired. Reply SURBs that were received are never stored (H14).
package boltstore
