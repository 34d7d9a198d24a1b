// Package config has the settings of all programs: one struct each, and its
// TOML file.
//
//	New ──▶ defaults ◀── Load ── file      unknown keys, other versions: refused
//	            ▲                          Check: do the settings go together?
//	            └── Setting.Set ── flags   Missing: is it enough to run?
//	            │   and environment
//	            └──▶ Template ──▶ a commented file that says the same
//
// A struct's fields are its settings. The tags of a field say everything about
// it: its key in the file, its flag, what the flag's argument is called, and
// the help that --help, the manual page and the file show. [Settings] lists them.
//
// Durations are texts such as "50ms", sizes such as "256MiB", and paths in a
// file count from the folder of the file.
//
// [Hosts] is the one file besides: what runs on which machine of a network.
//
// The package reads one file when asked to, and nothing else: no environment,
// no flags, no keys. It opens no port, and it does not know the engines'
// Config structs: each command makes those of these in one function.
package config
