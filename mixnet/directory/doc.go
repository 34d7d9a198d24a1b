// Package directory is how the parts of a network find each other: the signed
// documents that describe it, and the client that keeps them fresh (nodes.md §4).
//
//	web := dirhttp.New(nil)
//	defer web.Close()
//	client, err := directory.NewClient(directory.ClientConfig{URLs: urls, Key: key, Fetch: web.Fetch})
//	...
//	go client.Run(ctx)
//	network, err := client.Network(ctx) // waits for the first snapshot
//
// The other ends have packages of their own: dirserver publishes the documents,
// announce keeps a node in them, dirhttp makes requests over HTTP.
//
//	announce ── Announcement ──▶ dirserver ── Seal, documents of a View ──▶ Client
//	         ◀── Lease, Head ───           ── Head ─────────────────────▶
//
// A [View] is the network at one moment, and every document is written from one
// or read into one. A [Seal] is what a directory signs about a document, a
// [Head] names the newest. A [Schedule] numbers epochs and rotations of Sphinx
// keys, a [Cadence] says when the next snapshot comes.
//
// A [Client] without a pinned key reads what any Nym directory serves, and a
// [View] is read from and written to the topology files of Nym's programs, so
// no directory of ours is needed to take part in a network.
//
// The package opens no connection: a [Fetch] does. Package net/http is not
// needed, so that a client fits into a browser.
package directory
