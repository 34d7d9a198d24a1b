package cli

// noCoreDumps does nothing: Windows writes no dump of a process unless its
// administrator asks for it.
func noCoreDumps() error { return nil }
