// Package wholefile reads and writes the small files of a program: keys,
// settings, records of its state.
//
//	wholefile.Write(path, content, 0o600)   old content or new, never a mixture
//	wholefile.ReadSecret(path, most)        refuses what others can read
//
//	Write ─▶ .name.123 ──write, chmod, fsync──▶ rename to name ──▶ fsync of the folder
//
// It holds hardening.md H36 for files. What is larger than a few megabytes, or
// changes often, belongs in a database.
package wholefile
