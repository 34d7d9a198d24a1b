package cli

// NoCoreDumps does nothing: Windows writes no dump of a process unless its
// administrator asks for it.
func NoCoreDumps() error { return nil }
