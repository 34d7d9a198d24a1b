// Package archtest holds the architecture true: one test reads which package
// imports which and compares it with the table in table_test.go.
//
//	every package, for linux and for js/wasm
//	   │ imports of its non-test files
//	   ▼
//	table ──▶ who may import whom; outside code stays where it belongs;
//	          the lower floors have no network, no files, no clock
//
// A second test holds that every place of the specifications in docs/spec that
// code, scripts and documents cite exists, that links between documents lead
// somewhere, and that the code they show is the code of a file. A third holds that
// the time-outs and bounds of a package stand in one file, each with a comment.
//
// The table is policy. It changes with a reason in the commit, never to make a
// build pass. Test files may import anything. The package is not imported, and
// it does not look at modules inside this one (internal/tools).
package archtest
