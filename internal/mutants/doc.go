// Package mutants shows that the tests of the hardening rules hold them: it breaks
// one line of the program, runs the tests that name the rule, and expects one of
// them to fail.
//
//	make mutants                 # all of them
//	make mutants MUTANTS=H30     # those whose rule or name matches
//
// table.txt lists them. Nothing in the tree is written: the broken file is put in
// place of the real one by "go test -overlay".
//
//	table.txt ──Parse──▶ Mutant ──Apply──▶ broken file ──go test──▶ killed, or it survives
//
// docs/security.md has the list as a table; a test of this package holds that both
// agree, and that every mutant still finds the line that it breaks.
package mutants
