// Package clitest runs scripts against the programs of a test binary, and
// programs as processes of their own.
//
//	TestMain ──▶ Main: the binary is the test, or, under another name, the program
//	TestScripts ──▶ Scripts: testdata/script/*.txt, each in a folder of its own
//	Start ──▶ Running: a process; its lines, its log, its orderly end
//
// Scripts are those of rogpeppe/go-internal/testscript. Beside its commands they
// have
//
//	exits CODE PROGRAM ARGS...    the program ends with that exit code
//
// and settings and state go to $WORK/etc and $WORK/var, whoever runs the tests.
//
// It is for tests only, and knows no program.
package clitest
