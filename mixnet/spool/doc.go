// Package spool keeps messages on disk that nobody has come for yet, sealed, so that
// they survive a program and tell nothing to whoever finds the disk without the key.
//
//	s, err := spool.Open(dir, key, spool.Limits{Messages: 4096, Bytes: 1 << 30})
//
//	Add ─▶ dir/0000000000000001.msg     a file a message, written whole (H36)
//	       dir/0000000000000002.msg ──Take──▶ a program ──Drop──▶ removed
//	              ▲                               │
//	              └────────────Return─────────────┘
//
// A file is a version, a nonce, and what XChaCha20-Poly1305 makes of the message under
// the key, bound to the file's name: files cannot be exchanged for each other. The size
// of a message and when it came can be seen. What is taken and neither dropped nor
// returned when the process ends is there again afterwards.
//
// A Spool is a [wsapi.Backlog]. One goroutine at a time uses it, and one process at a
// time the folder. It does not make the key, and does not overwrite what it removes.
//
// [wsapi.Backlog]: https://pkg.go.dev/nym-socks5/mixnet/wsapi#Backlog
package spool
