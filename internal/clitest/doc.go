// Package clitest runs scripts against the programs of a test binary, and
// programs as processes of their own, alone or as a network.
//
//	TestMain ──▶ Main: the binary is the test, or, under another name, the program
//	TestScripts ──▶ Scripts: testdata/script/*.txt, each in a folder of its own
//	Start ──▶ Running: a process; its lines, its log, its orderly end
//	Testbed: built programs, their instances, free addresses; Init, Do, Run ──▶ Running
//	Serve ◀── the network under test ◀── Fetch
//
// Scripts are those of rogpeppe/go-internal/testscript. Beside its commands they
// have
//
//	exits CODE PROGRAM ARGS...    the program ends with that exit code
//	address VAR                   an address that is free
//	listening VAR                 an address where somebody listens
//
// and settings and state go to $WORK/etc and $WORK/var, whoever runs the tests.
//
// It is for tests only. It knows no program, but what internal/cli gives each of
// them; what a network consists of is up to the test.
package clitest
