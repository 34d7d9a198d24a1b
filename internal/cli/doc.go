// Package cli is what every command has in common: its subcommands, and what
// happens around a program's own Run.
//
//	            init          settings and keys of a new instance
//	flags       run           init if there is no instance, then ──┐
//	  ▼         check-config                                      ▼
//	environment details       ┌──── signals ─ log ─ sd_notify ─ Program.Run ────┐
//	  ▼         renew-key     │ TERM, INT: ends within a time    Env: settings, │
//	file        build-info    │ HUP:       Env.Reload            keys, state    │
//	  ▼         completion    └─────────────────────────────────────────────────┘
//	default     man
//
// A [Program] says what its settings and keys are, and how it runs; [Main] does
// the rest. What stands first in the column on the left wins.
//
// # Files
//
// An instance, chosen by --id, is a file with settings and a folder with state:
//
//	of a user     $XDG_CONFIG_HOME/nym-socks5/PROGRAM/ID.toml    $XDG_STATE_HOME/nym-socks5/PROGRAM/ID/
//	of root       /etc/nym-socks5/PROGRAM/ID.toml                /var/lib/nym-socks5/PROGRAM/ID/
//	of systemd    $CONFIGURATION_DIRECTORY/ID.toml               $STATE_DIRECTORY/ID/
//
// Where /var/lib/nym-socks5 belongs to another user, as packages have it, root's
// commands change to that user before they touch a profile: what they make is
// the service's then.
//
// The folder has a version, a lock (two programs never share it), and the keys,
// which nobody else may read. Every file is written whole or not at all (H36).
//
// # Exit codes
//
//	0   ended when asked to           75  try again later: somebody else has the state
//	1   something failed              78  the settings are wrong
//	2   the command line is wrong
//
// The package knows nothing of the engines: each command builds them in its own
// run.go. It opens no port, and it does not decide what is logged.
package cli
